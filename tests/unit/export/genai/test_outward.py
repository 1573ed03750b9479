"""Packages carry a graph for onnxruntime-genai that says what the decoder's own says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.decoder.target import Target
from export.genai.config import read_genai_config
from export.genai.run import GenaiGraph
from export.verify_run import run_greedily
from service.store.packages import Package
from tests.unit.export.genai.tiny import imported
from tests.unit.export.golden_llama import BIASED, TIED

PROMPT = [256, 64, 220, 81, 68, 83, 78]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return imported(tmp_path_factory.mktemp("models"), TIED)


def test_logits_are_those_of_the_decoder_to_the_last_bit(package: Package) -> None:
    token_ids, expected = run_greedily(package.folder / "model.onnx", PROMPT, 6)
    config = read_genai_config(package.folder)
    graph = GenaiGraph(package.folder / config.model.decoder.filename, config.model.decoder)
    rows = [graph.feed(PROMPT, len(PROMPT))]
    ends = range(len(PROMPT) + 1, len(token_ids))
    rows += [graph.feed(token_ids[end - 1 : end], end) for end in ends]
    assert np.array_equal(np.concatenate(rows), expected)


def test_both_graphs_use_the_same_weights(package: Package) -> None:
    weights = {}
    for name in ("model.onnx", "genai.onnx"):
        graph = onnx.load(package.folder / name, load_external_data=False).graph
        weights[name] = [
            (tensor.name, [entry.value for entry in tensor.external_data])
            for tensor in graph.initializer
            if tensor.external_data
        ]
    assert weights["model.onnx"] == weights["genai.onnx"] != []


def test_the_config_describes_the_model(package: Package) -> None:
    model = read_genai_config(package.folder).model
    assert (model.context_length, model.vocab_size) == (256, 258)
    assert (model.eos_token_ids, model.bos_token_id, model.pad_token_id) == ((257,), 256, 257)
    decoder = model.decoder
    assert (decoder.num_hidden_layers, decoder.num_attention_heads) == (2, 4)
    assert (decoder.num_key_value_heads, decoder.head_size) == (2, 16)
    assert decoder.session_options.provider_options == ()
    tokenizer = json.loads((package.folder / "tokenizer_config.json").read_text())
    assert (tokenizer["bos_token"], tokenizer["eos_token"]) == ("<s>", "</s>")


@pytest.mark.parametrize(("target", "provider"), [(Target.CUDA, "cuda"), (Target.DIRECTML, "dml")])
def test_the_provider_is_the_one_exported_for(
    tmp_path: Path, target: Target, provider: str
) -> None:
    package = imported(tmp_path, BIASED, target=target)
    options = read_genai_config(package.folder).model.decoder.session_options
    assert options.provider_options == ({provider: {}},)


def test_a_package_can_be_imported_in_its_turn(tmp_path: Path, package: Package) -> None:
    """What we write is what we read."""
    again = imported(tmp_path, package.folder, name="again")
    assert again.manifest.architecture.vocab_size == 258
    assert again.manifest.tokens.eos == package.manifest.tokens.eos
    assert again.manifest.tokens.bos == package.manifest.tokens.bos
