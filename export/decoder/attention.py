"""Attention as ONNX nodes: ONNX Runtime's GroupQueryAttention (docs/ContribOperators.md).

It rotates queries and keys itself, keeps the KV cache and knows windows, soft-capping and sinks.
Norms of queries and keys are nodes before it, since the CPU's kernel has none.
"""

from __future__ import annotations

from export.decoder.builder import CONTRIB, INT32, Dim, GraphBuilder
from export.decoder.nodes import Attribute
from export.decoder.norms import norm
from export.decoder.parts import Attention, Norm, RopeSpec
from export.decoder.rope import rope_tables
from export.decoder.writer import LayerWriter


def declare_cache(graph: GraphBuilder, attention: Attention) -> None:
    """The inputs and outputs of the attentions of all layers."""
    graph.input("seqlens_k", INT32, ["batch"])
    graph.input("total_sequence_length", INT32, [])
    shape: list[Dim] = ["batch", attention.num_kv_heads, "slot_length", attention.head_dim]
    for layer in range(len(attention.layers)):
        for kind in ("key", "value"):
            graph.input(f"past_key_values.{layer}.{kind}", graph.float_type, shape)
            graph.output(f"present.{layer}.{kind}", graph.float_type, shape)


def add_rope_tables(graph: GraphBuilder, attention: Attention, context_length: int) -> None:
    """The tables that the layers look angles up in: one pair for each way to rotate."""
    for index, rope in enumerate(_ropes(attention)):
        for name, table in zip(
            _table_names(index), rope_tables(rope, context_length, context_length), strict=True
        ):
            graph.floats(name, table)


def write_attention(
    graph: GraphBuilder, writer: LayerWriter, attention: Attention, layer: int, name: str, x: str
) -> str:
    """What the heads of `layer` gather for `x`: `[B, S, query_size]`."""
    kind = attention.layers[layer]
    qkv = writer.linear(graph, f"{name}.qkv", x, layer, *attention.inputs)
    inputs = [qkv, "", ""]
    if attention.norms is not None:
        inputs = _normed(graph, writer, attention, layer, name, qkv)
    inputs += [f"past_key_values.{layer}.{kind}" for kind in ("key", "value")]
    inputs += ["seqlens_k", "total_sequence_length"]
    if kind.rope is not None:
        inputs += _table_names(_ropes(attention).index(kind.rope))
    if attention.sinks:
        inputs += [""] * (11 - len(inputs)) + [_sinks(graph, writer, attention, layer, name)]
    graph.nodes(
        "GroupQueryAttention",
        inputs,
        [f"{name}.attended", f"present.{layer}.key", f"present.{layer}.value"],
        domain=CONTRIB,
        **_attributes(attention, layer),
    )
    return f"{name}.attended"


def _attributes(attention: Attention, layer: int) -> dict[str, Attribute]:
    kind = attention.layers[layer]
    attributes: dict[str, Attribute] = {
        "num_heads": attention.num_heads,
        "kv_num_heads": attention.num_kv_heads,
        "do_rotary": 0 if kind.rope is None else 1,
    }
    if kind.window is not None:
        attributes["local_window_size"] = kind.window
    if attention.scale is not None:
        attributes["scale"] = attention.scale
    if attention.softcap:
        attributes["softcap"] = attention.softcap
    return attributes


def _normed(
    graph: GraphBuilder,
    writer: LayerWriter,
    attention: Attention,
    layer: int,
    name: str,
    qkv: str,
) -> list[str]:
    """Queries, keys and values apart, the first two normed."""
    assert attention.norms is not None
    query, key, value = (f"{name}.{part}" for part in ("query", "key", "value"))
    kv_size = attention.kv_size
    sizes = graph.integers(attention.query_size, kv_size, kv_size)
    graph.nodes("Split", [qkv, sizes], [query, key, value], axis=-1)
    return [
        _norm_heads(graph, writer, attention.norms.query, layer, query, attention.query_size),
        _norm_heads(graph, writer, attention.norms.key, layer, key, kv_size),
        value,
    ]


def _norm_heads(
    graph: GraphBuilder, writer: LayerWriter, heads: Norm, layer: int, x: str, num_features: int
) -> str:
    """`x` `[B, S, num_features]`, each run of the norm's size normed by itself."""
    weights = writer.norm(heads, layer)
    if heads.size == num_features:
        return norm(graph, f"{x}_norm", x, heads, weights)
    apart = graph.node("Reshape", [x, graph.integers(0, 0, -1, heads.size)], f"{x}.heads")
    normed = norm(graph, f"{x}_norm", apart, heads, weights)
    return graph.node("Reshape", [normed, graph.integers(0, 0, num_features)], f"{x}.normed")


def _sinks(
    graph: GraphBuilder, writer: LayerWriter, attention: Attention, layer: int, name: str
) -> str:
    return graph.floats(f"{name}.sinks", writer.vector(attention.sinks, attention.num_heads, layer))


def _ropes(attention: Attention) -> list[RopeSpec]:
    """The ways to rotate, each once, in the order of the layers."""
    return list(dict.fromkeys(layer.rope for layer in attention.layers if layer.rope is not None))


def _table_names(index: int) -> tuple[str, str]:
    prefix = f"rope.{index}" if index else "rope"
    return f"{prefix}.cos", f"{prefix}.sin"
