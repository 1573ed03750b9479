"""Whatever the tokenizers library does at a file is one error, and nothing else is told of it."""

from __future__ import annotations

import os

import pytest

from export.errors import ExportError
from export.quiet import native_silence
from export.tokenizing import encode, load_tokenizer, tokenizer_errors
from export.verify_prompt import prompt_ids
from tests.unit.export.decoder.tiny import SPEC
from tests.unit.export.golden_llama import TIED
from tests.unit.export.tokenizer_faults import CHANGES, faulty

_CUTS = "a stride above the length"


@pytest.mark.parametrize("fault", CHANGES.keys() - {_CUTS})
def test_a_panic_is_an_error_of_one_line(fault: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ExportError, match="the tokenizers library broke down: ") as refused:
        prompt_ids(load_tokenizer(faulty(fault)), SPEC)
    assert str(refused.value).startswith("its tokenizer.json cannot be used: ")
    assert str(refused.value).isprintable()
    assert capfd.readouterr() == ("", "")


def test_a_tokenizer_cuts_nothing_off() -> None:
    """So its panic at a stride that leads nowhere does not come about either."""
    whole = encode(load_tokenizer((TIED / "tokenizer.json").read_bytes()), "a retort of glass")
    assert encode(load_tokenizer(faulty(_CUTS)), "a retort of glass") == whole
    assert len(whole) > 4


def test_who_ends_the_process_is_not_held_up() -> None:
    for ending in (KeyboardInterrupt, SystemExit):
        with pytest.raises(ending), tokenizer_errors():
            raise ending


def test_standard_error_is_back_after_silence(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        os.write(2, b"unheard")
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"), native_silence():
        fail()
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
