"""Random decoders small enough to build in milliseconds, and their graphs in a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from export.checkpoints.base import Checkpoint, Encoding, JsonValue, Tensor, TokenizerFiles
from export.decoder.families import read_spec
from export.decoder.graph import build_decoder
from export.decoder.parts import Norm
from export.decoder.precision import Precision
from export.decoder.spec import DecoderSpec
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.errors import ExportError
from tests.tiny_decoders import CONFIGS

Floats = NDArray[np.float32]
Values = dict[str, NDArray[np.generic]]

SPEC = read_spec(CONFIGS["llama"])


@dataclass(frozen=True)
class Tiny:
    """A checkpoint of `tensors`; it has no tokenizer."""

    tensors: Mapping[str, Tensor]
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    generation_config: Mapping[str, JsonValue] = field(default_factory=dict)

    def tokenizer(self) -> TokenizerFiles:
        raise ExportError("no tokenizer")

    def names(self) -> frozenset[str]:
        return frozenset(self.tensors)

    def tensor(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise ExportError(f"there is no tensor {name!r}")
        return self.tensors[name]


def f32(name: str, values: NDArray[np.generic]) -> Tensor:
    return Tensor(name, Encoding.F32, values.shape, values.astype(np.float32))


def random_checkpoint(spec: DecoderSpec = SPEC, seed: int = 0) -> Tiny:
    """Float32 weights for `spec`, wide enough for the attention to matter."""
    generator = np.random.default_rng(seed)
    shapes = _shapes(spec)
    tensors = {
        name: f32(name, generator.standard_normal(shape) * 0.2 + ("norm" in name))
        for name, shape in shapes.items()
    }
    return Tiny(tensors)


def _shapes(spec: DecoderSpec) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {spec.embedding: (spec.vocab_size, spec.hidden_size)}
    shapes |= _norm_shapes(spec.final_norm, None)
    if not spec.tied_head:
        shapes[spec.head] = (spec.vocab_size, spec.hidden_size)
    for layer in range(spec.num_layers):
        for norm in norms(spec):
            shapes |= _norm_shapes(norm, layer)
        for linear in spec.linears:
            shapes[linear.name.format(i=layer) + ".weight"] = linear.shape
            if linear.has_bias:
                shapes[linear.name.format(i=layer) + ".bias"] = linear.shape[:1]
        if spec.attention.sinks:
            shapes[spec.attention.sinks.format(i=layer)] = (spec.attention.num_heads,)
    return shapes


def _norm_shapes(norm: Norm, layer: int | None) -> dict[str, tuple[int, ...]]:
    name = norm.name.format(i=layer)
    kinds = ("weight", "bias") if norm.kind == "layer" else ("weight",)
    return {f"{name}.{kind}": (norm.size,) for kind in kinds}


def norms(spec: DecoderSpec) -> tuple[Norm, ...]:
    """All norms of one layer."""
    heads = spec.attention.norms
    return spec.norms.all + ((heads.query, heads.key) if heads else ())


def build(
    folder: Path,
    spec: DecoderSpec,
    checkpoint: Checkpoint,
    precision: Precision = Precision.FP32,
    target: Target = Target.CPU,
) -> Path:
    """Writes the graph and its data into `folder`."""
    path = folder / "model.onnx"
    with TensorFile(folder / "model.onnx.data") as tensors:
        weights = Weights(spec, checkpoint)
        onnx.save(build_decoder(weights, precision, target, tensors), path)
    return path


def session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@dataclass
class Decoder:
    """Runs rows through a graph whose KV cache is one buffer of `slot_length` per row, written
    in place as the engine does it."""

    graph: ort.InferenceSession
    spec: DecoderSpec
    num_rows: int = 1
    slot_length: int = 32
    cache: dict[str, ort.OrtValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spec = self.spec
        attention = spec.attention
        shape = (self.num_rows, attention.num_kv_heads, self.slot_length, attention.head_dim)
        # Filled with what must never be read: only written positions may count.
        self.cache = {
            f"{layer}.{kind}": ort.OrtValue.ortvalue_from_numpy(np.full(shape, 1e3, np.float32))
            for layer in range(spec.num_layers)
            for kind in ("key", "value")
        }

    def step(self, token_ids: Sequence[Sequence[int]], lengths: Sequence[int]) -> Floats:
        """Feeds new tokens `[B, S]`; `lengths` are those of the rows afterwards. Logits of all,
        `[B, S, vocab_size]`."""
        wanted = range(len(token_ids) * len(token_ids[0]))
        flat = self.step_for(token_ids, lengths, list(wanted))
        return flat.reshape(len(token_ids), len(token_ids[0]), -1)

    def step_for(
        self, token_ids: Sequence[Sequence[int]], lengths: Sequence[int], wanted: Sequence[int]
    ) -> Floats:
        """The same, with the logits of `wanted` positions of the flattened tokens only."""
        binding = self.graph.io_binding()
        binding.bind_cpu_input("input_ids", np.array(token_ids, np.int64))
        binding.bind_cpu_input("seqlens_k", np.array(lengths, np.int32) - 1)
        binding.bind_cpu_input("total_sequence_length", np.array(max(lengths), np.int32))
        binding.bind_cpu_input("logits_indices", np.array(wanted, np.int64))
        for name, buffer in self.cache.items():
            binding.bind_ortvalue_input(f"past_key_values.{name}", buffer)
            binding.bind_ortvalue_output(f"present.{name}", buffer)
        binding.bind_output("logits")
        self.graph.run_with_iobinding(binding)
        names = [output.name for output in self.graph.get_outputs()]
        logits: Floats = binding.get_outputs()[names.index("logits")].numpy()
        return logits
