from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from export import verify_transformers
from export.checkpoints.open import open_checkpoint
from export.decoder.families import read_spec
from export.errors import ExportError
from export.tokenizing import load_tokenizer
from export.verify_prompt import prompt_ids
from export.verify_transformers import check, verify_against_transformers
from tests.unit.export.golden_llama import BIASED, FOLDERS, TIED, copy

_needs_transformers = pytest.mark.skipif(
    find_spec("torch") is None or find_spec("transformers") is None,
    reason="the export extra is not installed",
)
LOGITS = np.random.default_rng(0).standard_normal((5, 20)).astype(np.float32)


def _verify(source: Path, read_as: Path | None = None) -> None:
    """Compares what transformers makes of `source` with what we make of `read_as`."""
    checkpoint = open_checkpoint(read_as or source)
    spec = read_spec(checkpoint.config)
    prompt = prompt_ids(load_tokenizer(checkpoint.tokenizer().tokenizer_json), spec)
    verify_against_transformers(source, spec, checkpoint, prompt)


@_needs_transformers
@pytest.mark.parametrize("source", FOLDERS, ids=lambda folder: folder.name)
def test_a_model_read_rightly_passes(source: Path) -> None:
    _verify(source)


@_needs_transformers
@pytest.mark.parametrize(
    ("key", "value"),
    [("rms_norm_eps", 0.1), ("rope_parameters", {"rope_type": "default", "rope_theta": 10000.0})],
)
def test_a_config_read_wrongly_is_refused(tmp_path: Path, key: str, value: object) -> None:
    wrong = copy(TIED, tmp_path / "wrong")
    config = json.loads((wrong / "config.json").read_text()) | {key: value}
    (wrong / "config.json").write_text(json.dumps(config))
    with pytest.raises(ExportError, match="transformers computes something else"):
        _verify(TIED, read_as=wrong)


@_needs_transformers
def test_a_folder_that_transformers_cannot_load_is_refused_in_one_line(tmp_path: Path) -> None:
    broken = copy(BIASED, tmp_path / "broken")
    (broken / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(ExportError, match="transformers cannot load") as refused:
        _verify(broken, read_as=BIASED)
    assert str(refused.value).isprintable()


def test_the_same_logits_but_for_rounding_pass() -> None:
    check(LOGITS, LOGITS + np.float32(1e-4))


@pytest.mark.parametrize("difference", [0.02, np.nan, np.inf])
def test_one_other_logit_is_refused(difference: float) -> None:
    actual = LOGITS.copy()
    actual[3, 7] += difference
    with pytest.raises(ExportError, match="transformers computes something else"):
        check(LOGITS, actual)


def test_another_vocabulary_is_refused() -> None:
    with pytest.raises(ExportError, match="transformers gives 20 logits per token"):
        check(LOGITS, LOGITS[:, :-1])


def _fail(source: Path, token_ids: list[int], kind: str) -> None:
    pytest.fail("nothing had to be compared")


def test_nothing_is_compared_where_transformers_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verify_transformers, "find_spec", lambda name: None)
    monkeypatch.setattr(verify_transformers, "_computed", _fail)
    _verify(TIED)


def test_only_folders_of_safetensors_that_fit_into_memory_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_transformers, "find_spec", lambda name: name)
    monkeypatch.setattr(verify_transformers, "_computed", _fail)
    checkpoint = open_checkpoint(TIED)
    spec = read_spec(checkpoint.config)
    verify_against_transformers(TIED / "model.gguf", spec, checkpoint, [0])
    verify_against_transformers(tmp_path, spec, checkpoint, [0])
    large = replace(spec, vocab_size=100_000_000)
    verify_against_transformers(TIED, large, checkpoint, [0])


def test_an_export_imports_neither_torch_nor_transformers_by_itself() -> None:
    program = (
        "import sys; import export.__main__; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
