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
from numpy.typing import NDArray
from transformers import AutoConfig, AutoModelForCausalLM

from export.checkpoints.base import Checkpoint, Tensor
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
from tests.unit.export.decoder.tiny import Decoder, Floats, Tiny, build, f32, session

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


def opened(folder: Path) -> Checkpoint:
    """The model in `folder`; the experts of gpt-oss one by one, as GGUF files have them."""
    checkpoint = open_checkpoint(folder)
    if checkpoint.config["model_type"] != "gpt_oss":
        return checkpoint
    tensors: dict[str, Tensor] = {}
    for name in checkpoint.names():
        tensor = checkpoint.tensor(name)
        if ".experts." in name:
            for part, values in experts_of(name, tensor.data).items():
                tensors[part] = f32(part, values)
        else:
            tensors[name] = tensor
    return Tiny(tensors, checkpoint.config)


def experts_of(name: str, values: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """`[E, K, N]` weights or `[E, N]` biases of all experts, gate and up in turn, by names of
    their own: `[N, K]` and `[N]`."""
    prefix, part = name.split(".experts.")
    kind = "bias" if part.endswith("_bias") else "weight"
    parts = {}
    for index, expert in enumerate(values):
        rows = expert if kind == "bias" else expert.T
        halves = {"down": rows}
        if part.startswith("gate_up"):
            halves = {"gate": rows[0::2], "up": rows[1::2]}
        for half, each in halves.items():
            parts[f"{prefix}.experts.{index}.{half}_proj.{kind}"] = np.ascontiguousarray(each)
    return parts


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
    checkpoint = opened(folder)
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
