"""What the service would refuse at every request is not exported."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from export.checkpoints.base import TokenizerFiles
from export.checkpoints.open import open_checkpoint
from export.errors import ExportError
from export.servable_text import require_servable_sequences, require_servable_text
from tests.unit.export.checkpoints.gguf import tiny_llama
from tests.unit.export.golden_llama import TIED, copy
from tests.unit.export.tokenizer_faults import changed

VOCAB_SIZE = 258
FILES = open_checkpoint(TIED).tokenizer()

TEMPLATES = {
    "a syntax error": "{% for %}",
    "length": "x" * 65_537,
    "a loop": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "an escape": "{{ messages.__class__.__mro__ }}",
    "too much text": "{{ 'x' * 1000000000 }}",
    "a loop at a system message": "{% if messages[0].role == 'system' %}{% for a in "
    "range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{% endif %}",
}


def _add_token(token_id: int) -> Callable[[dict[str, object]], None]:
    def change(document: dict[str, object]) -> None:
        added = document["added_tokens"]
        assert isinstance(added, list)
        added.append({**added[0], "id": token_id, "content": "<more>"})

    return change


def _add_word(token_id: int) -> Callable[[dict[str, object]], None]:
    def change(document: dict[str, object]) -> None:
        model = document["model"]
        assert isinstance(model, dict)
        model["vocab"]["more"] = token_id

    return change


def _files(tokenizer: bytes) -> TokenizerFiles:
    return replace(FILES, tokenizer_json=tokenizer)


def test_a_tokenizer_that_fits_is_served() -> None:
    require_servable_text(FILES, VOCAB_SIZE)
    require_servable_text(FILES, VOCAB_SIZE + 1)
    require_servable_sequences(FILES.tokenizer_json, VOCAB_SIZE)


@pytest.mark.parametrize("token_id", [258, 400])
@pytest.mark.parametrize("add", [_add_token, _add_word])
def test_a_token_without_a_row_is_refused(
    add: Callable[[int], Callable[[dict[str, object]], None]], token_id: int
) -> None:
    tokenizer = changed(add(token_id))
    with pytest.raises(ExportError, match="does not belong to the weights"):
        require_servable_text(_files(tokenizer), VOCAB_SIZE)
    if add is _add_word:
        with pytest.raises(ExportError, match=f"ids up to {token_id}, and there are 258 tokens"):
            require_servable_sequences(tokenizer, VOCAB_SIZE)


def test_a_decoder_of_tokens_that_the_service_does_not_know_is_refused() -> None:
    ctc = {"type": "CTC", "pad_token": "", "word_delimiter_token": "|", "cleanup": True}
    tokenizer = changed(lambda document: document.update(decoder=ctc))
    with pytest.raises(ExportError, match=r"its tokenizer cannot be served: .* CTC"):
        require_servable_text(_files(tokenizer), VOCAB_SIZE)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("file", ["chat_template.jinja", "tokenizer_config.json"])
def test_a_template_that_cannot_be_used_is_named(tmp_path: Path, file: str, name: str) -> None:
    folder, template = copy(TIED, tmp_path / "tiny"), TEMPLATES[name]
    path = folder / file
    path.write_text(
        template if path.suffix == ".jinja" else json.dumps({"chat_template": template})
    )
    with pytest.raises(ExportError, match="Without its template the model can") as refused:
        require_servable_text(open_checkpoint(folder).tokenizer(), VOCAB_SIZE)
    assert str(refused.value).startswith(f"{path}: The model's chat template ")
    assert str(refused.value).isprintable()


def test_a_template_in_a_gguf_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny_llama.content({"tokenizer.chat_template": "{% for %}"}))
    checkpoint = open_checkpoint(path)
    vocab_size = checkpoint.config["vocab_size"]
    assert isinstance(vocab_size, int)
    with pytest.raises(ExportError, match=r"tiny\.gguf: the metadata 'tokenizer\.chat_template': "):
        require_servable_text(checkpoint.tokenizer(), vocab_size)


def test_a_template_may_refuse_messages() -> None:
    template = "{% if messages|length > 1 %}{{ raise_exception('one at a time') }}{% endif %}a"
    require_servable_text(replace(FILES, chat_template=template), VOCAB_SIZE)
