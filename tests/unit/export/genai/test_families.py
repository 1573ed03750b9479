"""Every family's graph for onnxruntime-genai says what its decoder says; we could serve it too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.checkpoints.base import TokenizerFiles
from export.decoder.families import read_spec
from export.decoder.graph import build_decoder
from export.decoder.precision import Precision
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.genai.config import read_genai_config
from export.genai.packaged import Description, write_for_genai
from export.genai.run import GenaiGraph
from export.genai.servable import require_servable
from export.tokenizing import load_tokenizer
from export.verify_run import run_greedily
from service.store.manifest import GenerationDefaults
from tests.tiny_decoders import CONFIGS
from tests.unit.export.decoder.tiny import random_checkpoint
from tests.unit.export.golden_llama import TIED

PROMPT = list(range(3, 15))


@pytest.mark.parametrize("family", CONFIGS)
def test_logits_are_the_same(tmp_path: Path, family: str) -> None:
    spec = read_spec(CONFIGS[family])
    with TensorFile(tmp_path / "model.onnx.data") as tensors:
        weights = Weights(spec, random_checkpoint(spec))
        decoder = build_decoder(weights, Precision.FP32, Target.CPU, tensors)
    onnx.save(decoder, tmp_path / "model.onnx")
    tokenizer = TokenizerFiles(
        (TIED / "tokenizer.json").read_bytes(), None, None, (2,), None, False
    )
    about = Description(
        spec.context_length,
        tokenizer,
        load_tokenizer(tokenizer.tokenizer_json),
        Target.CPU,
        GenerationDefaults(),
    )
    write_for_genai(tmp_path, decoder, about)

    model = read_genai_config(tmp_path).model
    assert model.decoder.num_attention_heads == spec.attention.num_heads
    assert model.vocab_size == spec.vocab_size
    theirs = onnx.load(tmp_path / model.decoder.filename, load_external_data=False)
    require_servable(theirs, model.decoder, family)
    token_ids, expected = run_greedily(tmp_path / "model.onnx", PROMPT, 5)
    graph = GenaiGraph(tmp_path / model.decoder.filename, model.decoder)
    rows = [graph.feed(PROMPT, len(PROMPT))]
    rows += [
        graph.feed(token_ids[i : i + 1], i + 1) for i in range(len(PROMPT), len(token_ids) - 1)
    ]
    assert np.array_equal(np.concatenate(rows), expected)
