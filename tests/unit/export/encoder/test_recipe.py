"""What an encoder's export refuses before it begins."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from export.decoder.precision import Precision
from export.decoder.target import Target
from export.encoder import libraries
from export.errors import ExportError
from export.pipeline import run
from export.progress import Progress, Style
from export.recipe import Job
from tests.unit.export.encoder.test_sentence_transformers import write
from tests.unit.export.encoder.test_spec import BERT


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The files of an embedding model, but for weights that mean anything."""
    folder = tmp_path / "embedder"
    folder.mkdir()
    write(folder, "Transformer", "Pooling", "Normalize")
    (folder / "config.json").write_text(json.dumps(BERT))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def error_of(job: Job) -> str:
    with pytest.raises(ExportError) as refused:
        run(job, Progress(io.StringIO(), Style.LINES))
    message = str(refused.value)
    assert "\n" not in message
    staging = job.models / ".staging"
    assert not staging.exists() or not [p for p in staging.iterdir() if p.suffix != ".lock"]
    return message


def test_missing_libraries_are_named_with_the_line_that_mends_it(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "_is_installed", lambda name: name == "torch")
    message = error_of(Job(str(source), tmp_path / "models"))
    assert "transformers, optimum, optimum-onnx cannot be found" in message
    assert message.endswith("pip install -e '.[export]' (in Retort's folder)")


@pytest.mark.parametrize("precision", [Precision.INT4, Precision.FP16, Precision.SOURCE])
def test_other_precisions_are_refused(source: Path, tmp_path: Path, precision: Precision) -> None:
    message = error_of(Job(str(source), tmp_path / "models", precision=precision))
    assert f"in fp32 or int8, not in {precision.value}" in message


@pytest.mark.parametrize(
    ("job", "option"),
    [({"int8_prefill": True}, "--prefill int8"), ({"target": Target.CUDA}, "--for cuda")],
)
def test_options_of_decoders_are_refused(
    source: Path, tmp_path: Path, job: dict[str, object], option: str
) -> None:
    message = error_of(Job(str(source), tmp_path / "models", **job))  # type: ignore[arg-type]
    assert message.startswith(f"{option} is for models that generate text")
