"""What stands between a layer's attention and the next layer, as ONNX nodes."""

from __future__ import annotations

from export.decoder.builder import CONTRIB, GraphBuilder
from export.decoder.parts import Activation, Mlp
from export.decoder.writer import LayerWriter


def write_mlp(
    graph: GraphBuilder, writer: LayerWriter, mlp: Mlp, layer: int, name: str, x: str
) -> str:
    """`x` `[B, S, hidden_size]` through the MLP of `layer`; gate and up are one product."""
    if mlp.is_gated:
        gate_up = writer.linear(graph, f"{name}.gate_up", x, layer, *mlp.inputs)
        gate, up = f"{name}.gate", f"{name}.up"
        graph.nodes("Split", [gate_up], [gate, up], axis=-1, num_outputs=2)
        activated = activate(graph, mlp.activation, gate, f"{name}.activated")
        inner = graph.node("Mul", [activated, up], f"{name}.gated")
    else:
        up = writer.linear(graph, f"{name}.up", x, layer, *mlp.inputs)
        inner = activate(graph, mlp.activation, up, f"{name}.activated")
    return writer.linear(graph, f"{name}.down", inner, layer, mlp.down)


def activate(graph: GraphBuilder, activation: Activation, x: str, output: str) -> str:
    """`x` through `activation`, element by element."""
    match activation:
        case "silu":
            return graph.node("QuickGelu", [x], output, domain=CONTRIB, alpha=1.0)
        case "gelu_tanh":
            return graph.node("FastGelu", [x], output, domain=CONTRIB)
        case "gelu":
            return graph.node("Gelu", [x], output, domain=CONTRIB)
