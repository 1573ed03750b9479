"""The float32 graph against numpy, fed in every way that the engine feeds it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.checkpoints.base import Encoding, Tensor
from export.checkpoints.ggml.table import BLOCK_ENCODINGS
from export.decoder.families import read_spec
from export.decoder.precision import Precision
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from export.errors import ExportError
from tests.tiny_decoders import CONFIGS, Config
from tests.unit.export.checkpoints.ggml.golden_blocks import random_tensor
from tests.unit.export.decoder.tiny import (
    SPEC,
    Decoder,
    Floats,
    Tiny,
    build,
    f32,
    random_checkpoint,
    session,
)
from tests.unit.export.decoder.weights import block_tensor

TOLERANCE = 1e-4
TOKENS = [int(token) for token in np.random.default_rng(5).integers(0, SPEC.vocab_size, 24)]

_CHANGES: dict[str, Config] = {
    "tied": {},
    "untied": {"tie_word_embeddings": False},
    "wide heads": {"head_dim": 32},
    "as many key-value heads": {"num_key_value_heads": 4},
    "one key-value head": {"num_key_value_heads": 1},
    "one layer": {"num_hidden_layers": 1},
}
VARIANTS = {name: read_spec(CONFIGS["llama"] | changes) for name, changes in _CHANGES.items()}
FAMILIES = {name: read_spec(config) for name, config in CONFIGS.items()}
SPECS = VARIANTS | FAMILIES


@pytest.fixture(params=SPECS)
def variant(request: pytest.FixtureRequest) -> DecoderSpec:
    return SPECS[request.param]


def _reference(spec: DecoderSpec, tokens: list[int] = TOKENS) -> Floats:
    return Reference(spec, random_checkpoint(spec)).logits(tokens)


def _decoder(folder: Path, spec: DecoderSpec, num_rows: int = 1, slot_length: int = 32) -> Decoder:
    return Decoder(
        session(build(folder, spec, random_checkpoint(spec))), spec, num_rows, slot_length
    )


def test_a_prefill_gives_every_logit(tmp_path: Path, variant: DecoderSpec) -> None:
    logits = _decoder(tmp_path, variant).step([TOKENS], [len(TOKENS)])[0]
    np.testing.assert_allclose(logits, _reference(variant), atol=TOLERANCE)


def test_prefilled_in_chunks_and_decoded_token_by_token(
    tmp_path: Path, variant: DecoderSpec
) -> None:
    decoder = _decoder(tmp_path, variant)
    expected = _reference(variant)
    start = 0
    for size in (7, 1, 9, *[1] * 7):
        end = start + size
        logits = decoder.step([TOKENS[start:end]], [end])[0]
        np.testing.assert_allclose(logits, expected[start:end], atol=TOLERANCE)
        start = end
    assert start == len(TOKENS)


@pytest.mark.parametrize("slot_length", [24, 25, 64])
def test_a_slot_may_be_full_or_longer_than_the_sequence(tmp_path: Path, slot_length: int) -> None:
    decoder = _decoder(tmp_path, SPEC, slot_length=slot_length)
    decoder.step([TOKENS[:23]], [23])
    logits = decoder.step([TOKENS[23:]], [24])[0]
    np.testing.assert_allclose(logits, _reference(SPEC)[23:], atol=TOLERANCE)


def test_rows_of_other_lengths_are_decoded_together(tmp_path: Path) -> None:
    """Each row's cache is filled alone, as the engine prefills, and then all go one step."""
    lengths = [5, 17, 1]
    alone = _decoder(tmp_path, SPEC)
    together = _decoder(tmp_path, SPEC, num_rows=3)
    for row, length in enumerate(lengths):
        alone.step([TOKENS[:length]], [length])
        for name, buffer in alone.cache.items():
            rows = together.cache[name].numpy().copy()
            rows[row] = buffer.numpy()[0]
            together.cache[name].update_inplace(rows)
    new = [[TOKENS[length]] for length in lengths]
    logits = together.step(new, [length + 1 for length in lengths])[:, 0]
    np.testing.assert_allclose(logits, _reference(SPEC)[lengths], atol=TOLERANCE)


@pytest.mark.parametrize("wanted", [[23], [0], [5, 23], [23, 5], []], ids=str)
def test_only_the_wanted_logits_are_computed(tmp_path: Path, wanted: list[int]) -> None:
    logits = _decoder(tmp_path, SPEC).step_for([TOKENS], [24], wanted)
    assert logits.shape == (len(wanted), SPEC.vocab_size)
    np.testing.assert_allclose(logits, _reference(SPEC)[wanted], atol=TOLERANCE)


def test_the_cache_is_complete_even_if_no_logits_are_wanted(tmp_path: Path) -> None:
    decoder = _decoder(tmp_path, SPEC)
    decoder.step_for([TOKENS[:23]], [23], [])
    logits = decoder.step([TOKENS[23:]], [24])[0]
    np.testing.assert_allclose(logits, _reference(SPEC)[23:], atol=TOLERANCE)


def test_a_slot_is_reused_behind_a_common_beginning(tmp_path: Path) -> None:
    """What an earlier, longer request left behind its first tokens is overwritten or unseen."""
    decoder = _decoder(tmp_path, SPEC)
    decoder.step([TOKENS], [24])
    other = [*TOKENS[:10], *reversed(TOKENS[10:14])]
    logits = decoder.step([other[10:]], [14])[0]
    np.testing.assert_allclose(logits, _reference(SPEC, other)[10:], atol=TOLERANCE)


def test_the_last_position_of_the_context_is_rotated(tmp_path: Path) -> None:
    tokens = (TOKENS * 3)[: SPEC.context_length]
    logits = _decoder(tmp_path, SPEC, slot_length=64).step([tokens], [64])[0]
    np.testing.assert_allclose(logits, _reference(SPEC, tokens), atol=TOLERANCE)


@pytest.mark.parametrize("encoding", [Encoding.Q8_0, Encoding.Q4_0, Encoding.Q4_1])
@pytest.mark.parametrize("tied", [True, False])
def test_quantised_blocks_are_carried_through_every_layer(
    tmp_path: Path, encoding: Encoding, tied: bool
) -> None:
    spec = replace(SPEC, tied_head=tied)
    checkpoint = quantized(spec, encoding)
    decoder = Decoder(session(build(tmp_path, spec, checkpoint, Precision.SOURCE)), spec)
    expected = Reference(spec, checkpoint).logits(TOKENS)
    logits = decoder.step([TOKENS], [24])[0]
    assert np.abs(logits - expected).std() <= 0.03 * expected.std()


def quantized(spec: DecoderSpec, encoding: Encoding) -> Tiny:
    """All matrices in blocks, of which one linear of each pack is in another encoding."""
    checkpoint = random_checkpoint(spec)
    tensors = dict(checkpoint.tensors)
    for seed, (name, tensor) in enumerate(checkpoint.tensors.items()):
        if len(tensor.shape) == 2:
            used = Encoding.Q8_0 if name.endswith(("k_proj.weight", "up_proj.weight")) else encoding
            stored = block_tensor(used, (tensor.shape[0], tensor.shape[1]), seed)
            tensors[name] = Tensor(name, used, tensor.shape, stored.data)
    return Tiny(tensors)


@pytest.mark.parametrize("encoding", list(BLOCK_ENCODINGS))
def test_every_block_encoding_is_carried_into_a_graph(tmp_path: Path, encoding: Encoding) -> None:
    sizes: Config = {"hidden_size": 256, "intermediate_size": 512}
    spec = read_spec(CONFIGS["llama"] | sizes)
    tensors = dict(random_checkpoint(spec).tensors)
    for seed, (name, tensor) in enumerate(tensors.items()):
        if len(tensor.shape) == 2:
            stored = random_tensor(encoding, (tensor.shape[0], tensor.shape[1]), seed)
            tensors[name] = Tensor(name, encoding, tensor.shape, stored.data)
    checkpoint = Tiny(tensors)
    decoder = Decoder(session(build(tmp_path, spec, checkpoint, Precision.SOURCE)), spec)
    expected = Reference(spec, checkpoint).logits(TOKENS)
    logits = decoder.step([TOKENS], [24])[0]
    assert np.abs(logits - expected).std() <= 0.03 * expected.std()


@pytest.mark.parametrize("precision", list(Precision))
def test_a_missing_tensor_is_named(tmp_path: Path, precision: Precision) -> None:
    tensors = dict(random_checkpoint().tensors)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    with pytest.raises(ExportError, match=r"model\.layers\.1\.mlp\.up_proj\.weight"):
        build(tmp_path, SPEC, Tiny(tensors), precision)


@pytest.mark.parametrize("name", sorted(random_checkpoint(SPECS["llama with biases"]).tensors))
def test_a_tensor_of_another_shape_is_named(tmp_path: Path, name: str) -> None:
    spec = SPECS["llama with biases"]
    tensors = dict(random_checkpoint(spec).tensors)
    shape = tensors[name].shape
    tensors[name] = f32(name, np.zeros((shape[0] + 16, *shape[1:])))
    with pytest.raises(ExportError) as refused:
        build(tmp_path, spec, Tiny(tensors))
    assert str(refused.value) == (
        f"{name} has the shape {[shape[0] + 16, *shape[1:]]}, the config asks for {list(shape)}"
    )
