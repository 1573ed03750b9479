"""Models in onnxruntime-genai's layout become packages."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import pytest
from onnx import helper

from export.decoder.precision import Precision
from export.decoder.target import Target
from export.errors import ExportError
from service.store.integrity import check_hashes
from tests.unit.export.genai.tiny import TINY, altered, imported


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_the_models_own_files_are_imported_as_they_are(models: Path) -> None:
    package = imported(models, TINY)
    check_hashes(package)
    for name in ("model.onnx", "model.onnx.data", "genai_config.json", "tokenizer_config.json"):
        assert (package.folder / name).read_bytes() == (TINY / name).read_bytes()
    assert set(package.manifest.files) == {
        *("model.onnx", "model.onnx.data", "genai_config.json", "tokenizer_config.json"),
        *("retort.onnx", "tokenizer.json"),
    }


def test_the_manifest_says_what_the_engine_needs(models: Path) -> None:
    manifest = imported(models, TINY).manifest
    assert (manifest.graphs.decoder, manifest.graphs.prefill) == ("retort.onnx", None)
    assert (manifest.precision, manifest.context_length) == ("source", 256)
    shape = manifest.architecture
    assert (shape.family, shape.num_layers, shape.num_kv_heads) == ("llama", 2, 2)
    assert (shape.head_dim, shape.vocab_size, shape.kv_dtype) == (16, 258, "float32")
    assert manifest.tokens.eos == (257,)


def test_the_served_graph_has_no_weights_of_its_own(models: Path) -> None:
    package = imported(models, TINY)
    assert (package.folder / "retort.onnx").stat().st_size < 40_000


def test_choices_that_need_the_weights_are_refused(models: Path) -> None:
    for options, named in (
        ({"precision": Precision.INT8}, "--precision int8"),
        ({"int8_prefill": True}, "--prefill int8"),
        ({"target": Target.CUDA}, "--for cuda"),
    ):
        with pytest.raises(ExportError, match=named):
            imported(models, TINY, **options)
    assert not [path for path in models.rglob("*") if path.suffix == ".onnx"]


@pytest.mark.parametrize("missing", ["model.onnx", "model.onnx.data", "tokenizer.json"])
def test_a_missing_file_is_named(models: Path, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(TINY, folder)
    (folder / missing).unlink()
    with pytest.raises(ExportError, match=missing.replace(".", r"\.")):
        imported(models, folder)


def test_a_graph_that_cannot_be_read_is_named(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(TINY, folder)
    (folder / "model.onnx").write_bytes(b"no graph at all")
    with pytest.raises(ExportError, match=r"model\.onnx: no ONNX graph"):
        imported(models, folder)


def test_a_graph_that_counts_otherwise_is_found_before_it_is_published(
    models: Path, tmp_path: Path
) -> None:
    """Its lengths do not come from the mask: through our inputs it says something else."""

    def shift(model: onnx.ModelProto) -> None:
        graph = model.graph
        place = next(i for i, node in enumerate(graph.node) if node.op_type == "ReduceSum")
        graph.node[place].input[0] = "doubled"
        graph.node.insert(place, helper.make_node("Add", ["attention_mask"] * 2, ["doubled"]))

    folder = altered(tmp_path / "shifted", shift)
    with pytest.raises(ExportError):
        imported(models, folder)
    assert not (models / "shifted").exists()
