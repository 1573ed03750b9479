"""Normalisations as ONNX nodes, fused with the addition before them where there is one."""

from __future__ import annotations

from export.decoder.builder import CONTRIB, GraphBuilder
from export.decoder.parts import Norm
from export.decoder.weights import NormWeights


def norm(graph: GraphBuilder, name: str, x: str, norm: Norm, weights: NormWeights) -> str:
    """`x` `[..., norm.size]` normalised."""
    inputs = [x, *_parameters(graph, name, weights)]
    op = "SimplifiedLayerNormalization" if norm.kind == "rms" else "LayerNormalization"
    return graph.node(op, inputs, name, axis=-1, epsilon=norm.epsilon, stash_type=1)


def add_and_norm(
    graph: GraphBuilder, name: str, x: str, branch: str, norm: Norm, weights: NormWeights
) -> tuple[str, str]:
    """`x + branch`, both `[B, S, norm.size]`, and the norm of it."""
    prefix = "SkipSimplified" if norm.kind == "rms" else "Skip"
    graph.nodes(
        f"{prefix}LayerNormalization",
        [x, branch, *_parameters(graph, name, weights)],
        [name, "", "", f"{name}.sum"],
        domain=CONTRIB,
        epsilon=norm.epsilon,
    )
    return f"{name}.sum", name


def _parameters(graph: GraphBuilder, name: str, weights: NormWeights) -> list[str]:
    scale = graph.floats(f"{name}.weight", weights.scale)
    if weights.bias is None:
        return [scale]
    return [scale, graph.floats(f"{name}.bias", weights.bias)]
