"""Decoder graphs of tiny random models against transformers, which made the models.

Needs the `export` extra: `tox -e export` has it.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="the export extra is not installed")

import torch
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

from export.checkpoints.base import Checkpoint
from export.checkpoints.dequantize import dequantize
from export.checkpoints.open import open_checkpoint
from export.decoder.context import with_context
from export.decoder.families import FAMILIES, read_spec
from export.decoder.precision import Precision
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from export.pipeline import run
from export.progress import Progress, Style
from export.recipe import Job
from service.store.manifest import Manifest, read_manifest
from tests.tiny_decoders import CONFIGS, SIZES, Config
from tests.unit.export.decoder.tiny import Decoder, Floats, build, session

TOLERANCE = 1e-4
NUM_TOKENS = 24
NUM_LONG_TOKENS = 48
VOCAB_SIZE = 80
TOKENS = [int(token) for token in np.random.default_rng(7).integers(3, VOCAB_SIZE, NUM_LONG_TOKENS)]


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> Config:
    return CONFIGS[request.param]


def random_model(config: Config, folder: Path) -> Any:  # noqa: ANN401
    """Written to `folder`; weights wide enough for all to matter, norms near one."""
    torch.manual_seed(3)
    values = {key: value for key, value in config.items() if key != "model_type"}
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(config["model_type"], **values), attn_implementation="eager"
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                weight.add_(torch.empty_like(weight).uniform_(-0.5, 0.5))
            else:
                weight.normal_(0, 0.1 if name.endswith("bias") else 0.2)
    model.eval().save_pretrained(folder)
    return model


def logits_of(model: Any, tokens: list[int]) -> Floats:  # noqa: ANN401
    with torch.inference_mode():
        logits: Floats = model(torch.tensor([tokens]), use_cache=False).logits[0].numpy()
    return logits


def check(actual: Floats, expected: Floats) -> None:
    assert expected.std() > 0.05  # else all would pass
    np.testing.assert_allclose(actual, expected, atol=TOLERANCE * max(1.0, expected.std()))


def fed(folder: Path, spec: DecoderSpec, checkpoint: Checkpoint) -> Decoder:
    return Decoder(session(build(folder, spec, checkpoint)), spec, slot_length=64)


def check_every_way(folder: Path, spec: DecoderSpec, expected: Floats) -> None:
    """By numpy, and by the graph: all tokens at once, in chunks and then one by one."""
    checkpoint = open_checkpoint(folder)
    length = len(expected)
    check(Reference(spec, checkpoint).logits(TOKENS[:length]), expected)
    decoder = fed(folder, spec, checkpoint)
    check(decoder.step([TOKENS[:length]], [length])[0], expected)
    start = 0
    for size in (7, 1, 9, *[1] * (length - 17)):
        end = start + size
        check(decoder.step([TOKENS[start:end]], [end])[0], expected[start:end])
        start = end
    assert start == length


def test_logits_are_those_of_transformers(tmp_path: Path, config: Config) -> None:
    model = random_model(config, tmp_path)
    spec = with_context(read_spec(open_checkpoint(tmp_path).config), None)
    check_every_way(tmp_path, spec, logits_of(model, TOKENS[:NUM_TOKENS]))


@pytest.mark.parametrize("name", ["phi3 with longrope", "phi4-mini"])
def test_a_longer_context_takes_the_long_factors(tmp_path: Path, name: str) -> None:
    """transformers takes them for every sequence that is longer, a package for all it serves."""
    model = random_model(CONFIGS[name], tmp_path)
    config = open_checkpoint(tmp_path).config
    check_every_way(tmp_path, read_spec(config), logits_of(model, TOKENS))


def test_every_family_that_is_supported_is_tested() -> None:
    assert {config["model_type"] for config in CONFIGS.values()} == FAMILIES.keys()
    assert SIZES["vocab_size"] == VOCAB_SIZE


@pytest.mark.parametrize("model_type", FAMILIES)
def test_what_a_config_leaves_out_is_what_transformers_assumes(model_type: str) -> None:
    """The sizes alone, and all that transformers makes of them, are read alike."""
    least: Config = {**SIZES, "num_hidden_layers": 8, "hidden_size": 128, "head_dim": 32}
    least |= {"norm_topk_prob": True} if model_type == "qwen3_moe" else {}
    whole = AutoConfig.for_model(model_type, **least).to_dict()
    assert read_spec({**least, "model_type": model_type}) == read_spec(whole)


def byte_level_tokenizer() -> dict[str, object]:
    """A tokenizer.json of the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    symbols = [*map(chr, printable), *(chr(256 + i) for i in range(len(rest)))]
    return {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        "model": {
            "type": "BPE",
            "vocab": {symbol: i for i, symbol in enumerate(symbols)},
            "merges": [],
        },
    }


@pytest.mark.parametrize("name", ["gemma3", "phi3 with longrope", "qwen3_moe", "starcoder2"])
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_a_whole_export_passes_its_own_checks(
    tmp_path: Path, name: str, precision: Precision
) -> None:
    """Among them the comparison with transformers on a prompt longer than the window."""
    random_model(CONFIGS[name] | {"vocab_size": 256}, tmp_path / "source")
    tokenizer = tmp_path / "source" / "tokenizer.json"
    tokenizer.write_text(json.dumps(byte_level_tokenizer()))
    job = Job(str(tmp_path / "source"), tmp_path / "models", name="tiny", precision=precision)
    exported = run(job, Progress(io.StringIO(), Style.LINES))
    manifest = read_manifest(exported.folder)
    assert isinstance(manifest, Manifest)
    assert manifest.context_length == (32 if "longrope" in name else 64)
    assert manifest.architecture.family == CONFIGS[name]["model_type"]


def test_experts_in_mxfp4_are_the_numbers_that_transformers_makes_of_them(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 256, (3, 64, 2, 16), np.uint8)
    exponents = generator.integers(110, 130, (3, 64, 2), np.uint8)
    prefix = "model.layers.0.mlp.experts"
    tensors = {"blocks": codes, "scales": exponents}
    save_file(
        {f"{prefix}.gate_up_proj_{name}": each for name, each in tensors.items()},
        tmp_path / "model.safetensors",
    )
    section = {"quantization_config": {"quant_method": "mxfp4"}}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt_oss"} | section))
    expected = convert_moe_packed_tensors(
        torch.tensor(codes), torch.tensor(exponents), dtype=torch.float32
    ).numpy()
    checkpoint = open_checkpoint(tmp_path)
    for expert in range(3):
        name = f"{prefix}.{expert}"
        gate, up = (checkpoint.tensor(f"{name}.{part}_proj.weight") for part in ("gate", "up"))
        np.testing.assert_array_equal(dequantize(gate), expected[expert].T[0::2])
        np.testing.assert_array_equal(dequantize(up), expected[expert].T[1::2])
