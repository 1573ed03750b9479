"""Every form of weight through ONNX Runtime, against numpy on the numbers it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Groups, Tensor
from export.checkpoints.ggml.table import BLOCK_ENCODINGS as GGML_ENCODINGS
from export.decoder.appending import append_offsets
from export.decoder.blocks import BlockWeight, Weight, carry, densify, quantize
from export.decoder.builder import FLOAT, INT64, GraphBuilder
from export.decoder.linear import embed, linear
from export.decoder.tensor_file import TensorFile
from export.decoder.widening import widen
from tests.unit.export.checkpoints.ggml.golden_blocks import golden_tensor
from tests.unit.export.decoder.tiny import session
from tests.unit.export.decoder.weights import block_tensor, dense_tensor, value_of

Floats = NDArray[np.float32]
K = 96


def _forms(rows: int, columns: int = K) -> dict[str, Weight]:
    """One weight of every form, each with other numbers."""
    shape = (rows, columns)
    return {
        "f32": carry(dense_tensor(shape, seed=1)),
        "f16": carry(dense_tensor(shape, Encoding.F16, seed=2)),
        "bf16": carry(dense_tensor(shape, Encoding.BF16, seed=3)),
        "q8_0": carry(block_tensor(Encoding.Q8_0, shape, seed=4)),
        "q4_0": carry(block_tensor(Encoding.Q4_0, shape, seed=5)),
        "q4_1": carry(block_tensor(Encoding.Q4_1, shape, seed=6)),
        "int8": quantize(dense_tensor(shape, seed=7), 8, 32),
        "int8 in blocks of 16": quantize(dense_tensor(shape, seed=8), 8, 16),
        "int4": quantize(dense_tensor(shape, seed=9), 4, 32),
        "q4_1 in 8 bits": _widened(block_tensor(Encoding.Q4_1, shape, seed=11)),
        "zero points in 4 bits": _grouped(shape, 4, 32, ordered=False),
        "zero points in 8 bits": _grouped(shape, 8, 96, ordered=False),
        "half": densify(dense_tensor(shape, seed=10), np.float16),
    }


def _grouped(shape: tuple[int, int], bits: int, size: int, *, ordered: bool) -> Weight:
    """Weights as GPTQ leaves them: groups with zeros, of any columns if `ordered`."""
    generator = np.random.default_rng(shape[0])
    codes = generator.integers(0, 1 << bits, shape, np.uint8)
    per_group = (shape[0], shape[1] // size)
    scales = generator.uniform(0.1, 0.2, per_group).astype(np.float32)
    zeros = generator.integers(0, 1 << bits, per_group, np.uint8)
    # The same for all weights of a layer, as they have the same inputs.
    order = np.random.default_rng(0).permutation(shape[1]) if ordered else None
    groups = Groups(4 if bits == 4 else 8, size, scales, zeros, order)
    return carry(Tensor("grouped", Encoding.GROUPED, shape, codes, groups))


def _widened(tensor: Tensor) -> BlockWeight:
    weight = carry(tensor)
    assert isinstance(weight, BlockWeight)
    return widen(weight)


def _appended(tensor: Tensor) -> BlockWeight:
    weight = carry(tensor)
    assert isinstance(weight, BlockWeight)
    appended = append_offsets(weight)
    assert appended is not None
    return appended


FORMS = tuple(_forms(8))
DENSE = ("f32", "f16", "bf16", "half")


class _Graph:
    """A graph of one input and one output, written and run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tensors = TensorFile(folder / "data")
        self.builder = GraphBuilder(self._tensors, np.dtype(np.float32))

    def run(self, name: str, x: NDArray[np.generic], result: str) -> Floats:
        kind = INT64 if x.dtype == np.int64 else FLOAT
        self.builder.input(name, kind, [*(f"d{i}" for i in range(x.ndim))])
        self.builder.output(result, FLOAT, [*(f"r{i}" for i in range(3))])
        with self._tensors:
            onnx.save(self.builder.model("test"), self._folder / "graph.onnx")
        output: Floats = session(self._folder / "graph.onnx").run([result], {name: x})[0]
        return output


def _product(
    folder: Path, weights: Sequence[Weight], x: Floats, bias: Floats | None = None
) -> Floats:
    graph = _Graph(folder)
    return graph.run("x", x, linear(graph.builder, "layer", "x", weights, bias))


def _inputs(rows: int, columns: int = K) -> Floats:
    """One batch of `rows` tokens."""
    return np.random.default_rng(rows).standard_normal((1, rows, columns)).astype(np.float32)


def _assert_close(actual: Floats, expected: Floats, *, exact: bool) -> None:
    """Blocks are multiplied by activations in int8, whose rounding adds up like noise."""
    assert actual.shape == expected.shape
    tolerance = 1e-5 if exact else 0.01
    assert np.abs(actual - expected).std() <= tolerance * expected.std()
    assert np.abs(actual - expected).max() <= 6 * tolerance * expected.std()


@pytest.mark.parametrize("num_tokens", [1, 7])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_multiplies(tmp_path: Path, form: str, num_tokens: int) -> None:
    weight, x = _forms(40)[form], _inputs(num_tokens)
    actual = _product(tmp_path, [weight], x)
    _assert_close(actual, x @ value_of(weight).T, exact=form in DENSE)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_takes_a_bias(tmp_path: Path, form: str) -> None:
    weight, x = _forms(40)[form], _inputs(5)
    bias = np.arange(40, dtype=np.float32)
    actual = _product(tmp_path, [weight], x, bias)
    _assert_close(actual - bias, x @ value_of(weight).T, exact=form in DENSE)


@pytest.mark.parametrize("form", FORMS)
def test_weights_of_one_form_are_one_product(tmp_path: Path, form: str) -> None:
    weights, x = [_forms(rows)[form] for rows in (16, 8, 24)], _inputs(5)
    graph = _Graph(tmp_path)
    result = linear(graph.builder, "layer", "x", weights)
    nodes = graph.builder.model("test").graph.node
    assert sum(node.op_type in ("FusedMatMul", "MatMul", "MatMulNBits") for node in nodes) <= 2
    assert "Concat" not in {node.op_type for node in nodes}
    expected = np.concatenate([x @ value_of(weight).T for weight in weights], -1)
    _assert_close(graph.run("x", x, result), expected, exact=form in DENSE)


@pytest.mark.parametrize(
    "forms",
    [
        ("q4_1", "q8_0", "q4_1"),
        ("q4_0", "q4_0", "q8_0"),
        ("q4_1", "q4_0"),
        ("f32", "f16", "q8_0"),
        ("bf16", "f16", "bf16"),
        ("int8", "int8 in blocks of 16"),
    ],
    ids=str,
)
def test_mixed_forms_keep_their_order(tmp_path: Path, forms: tuple[str, ...]) -> None:
    weights = [_forms(8 * (i + 1))[form] for i, form in enumerate(forms)]
    x = _inputs(5)
    bias = np.arange(sum(weight.shape[0] for weight in weights), dtype=np.float32)
    actual = _product(tmp_path, weights, x, bias)
    expected = np.concatenate([x @ value_of(weight).T for weight in weights], -1)
    _assert_close(actual - bias, expected, exact=False)


@pytest.mark.parametrize("bits", [4, 8])
def test_columns_in_another_order_are_put_right(tmp_path: Path, bits: int) -> None:
    """In one product, since all weights of a layer order their inputs alike."""
    weights = [_grouped((rows, K), bits, 32, ordered=True) for rows in (16, 8)]
    graph, x = _Graph(tmp_path), _inputs(5)
    result = linear(graph.builder, "layer", "x", weights)
    nodes = [node.op_type for node in graph.builder.model("test").graph.node]
    assert nodes == ["Gather", "MatMulNBits"]
    expected = np.concatenate([x @ value_of(weight).T for weight in weights], -1)
    _assert_close(graph.run("x", x, result), expected, exact=False)


def test_weights_with_orders_of_their_own_are_products_of_their_own(tmp_path: Path) -> None:
    weights = [_grouped((8, K), 4, 32, ordered=ordered) for ordered in (True, False)]
    x = _inputs(5)
    expected = np.concatenate([x @ value_of(weight).T for weight in weights], -1)
    _assert_close(_product(tmp_path, weights, x), expected, exact=False)


@pytest.mark.parametrize("num_tokens", [1, 7])
def test_offsets_in_blocks_are_part_of_the_product(tmp_path: Path, num_tokens: int) -> None:
    weights = [_appended(block_tensor(Encoding.Q4_1, (rows, 576), seed=rows)) for rows in (16, 8)]
    graph, x = _Graph(tmp_path), _inputs(num_tokens, 576)
    result = linear(graph.builder, "layer", "x", weights)
    nodes = [node.op_type for node in graph.builder.model("test").graph.node]
    assert nodes == ["MatMul", "Concat", "MatMulNBits"]
    expected = np.concatenate([x @ value_of(weight).T for weight in weights], -1)
    _assert_close(graph.run("x", x, result), expected, exact=False)


def test_a_token_has_the_same_product_among_others(tmp_path: Path) -> None:
    """To the last bit, sums of inputs included."""
    weight = _appended(block_tensor(Encoding.Q4_1, (40, 576)))
    x = 3 + _inputs(33, 576)
    graph = _Graph(tmp_path)
    result = linear(graph.builder, "layer", "x", [weight])
    together = graph.run("x", x, result)
    model = session(tmp_path / "graph.onnx")
    alone = [model.run([result], {"x": x[:, i : i + 1]})[0] for i in range(33)]
    np.testing.assert_array_equal(np.concatenate(alone, axis=1), together)


def test_odd_sizes_stay_dense_and_work(tmp_path: Path) -> None:
    weight, x = densify(dense_tensor((7, 17)), np.float32), _inputs(3, 17)
    _assert_close(_product(tmp_path, [weight], x), x @ value_of(weight).T, exact=True)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_embeds(tmp_path: Path, form: str) -> None:
    weight = _forms(50)[form]
    token_ids = np.array([[0, 49], [7, 7], [31, 1]], np.int64)
    graph = _Graph(tmp_path)
    actual = graph.run("ids", token_ids, embed(graph.builder, "embedding", "ids", weight))
    np.testing.assert_allclose(actual, value_of(weight)[token_ids], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_one_weight_embeds_and_is_the_head(tmp_path: Path, form: str) -> None:
    weight = _forms(50)[form]
    token_ids = np.array([[3, 49, 0]], np.int64)
    graph = _Graph(tmp_path)
    rows = embed(graph.builder, "embedding", "ids", weight)
    actual = graph.run("ids", token_ids, linear(graph.builder, "embedding", rows, [weight]))
    values = value_of(weight)
    _assert_close(actual, values[token_ids] @ values.T, exact=form in DENSE)


@pytest.mark.parametrize("encoding", list(GGML_ENCODINGS))
def test_every_block_encoding_multiplies_and_embeds(tmp_path: Path, encoding: Encoding) -> None:
    weight, token_ids = carry(golden_tensor(encoding)), np.array([[1, 0, 1]])
    values, x = value_of(weight), _inputs(3, 512)
    _assert_close(_product(tmp_path, [weight], x), x @ values.T, exact=False)
    graph = _Graph(tmp_path)
    rows = graph.run("ids", token_ids, embed(graph.builder, "embedding", "ids", weight))
    np.testing.assert_allclose(rows, values[token_ids], rtol=1e-6, atol=1e-6)
