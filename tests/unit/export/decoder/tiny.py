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
from export.decoder.graph import build_decoder
from export.decoder.precision import Precision
from export.decoder.spec import DecoderSpec, Linear, RopeSpec
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.errors import ExportError

Floats = NDArray[np.float32]
Values = dict[str, NDArray[np.generic]]

SPEC = DecoderSpec(
    family="llama",
    num_layers=2,
    hidden_size=64,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    intermediate_size=96,
    vocab_size=80,
    context_length=64,
    rms_norm_eps=1e-5,
    rope=RopeSpec(10000.0),
    tied_head=True,
)


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
    names = spec.weights
    shapes: dict[str, tuple[int, ...]] = {
        names.embedding: (spec.vocab_size, spec.hidden_size),
        names.final_norm: (spec.hidden_size,),
    }
    if not spec.tied_head:
        shapes[names.head] = (spec.vocab_size, spec.hidden_size)
    for layer in range(spec.num_layers):
        for norm in (names.attention_norm, names.mlp_norm):
            shapes[norm.format(i=layer)] = (spec.hidden_size,)
        for linear in linears(spec):
            shapes[linear.name.format(i=layer) + ".weight"] = linear.shape
            if linear.has_bias:
                shapes[linear.name.format(i=layer) + ".bias"] = linear.shape[:1]
    return shapes


def linears(spec: DecoderSpec) -> tuple[Linear, ...]:
    """All linears of one layer."""
    return (
        *(spec.query, spec.key, spec.value, spec.attention_out),
        *(spec.gate, spec.up, spec.down),
    )


def build(
    folder: Path, spec: DecoderSpec, checkpoint: Checkpoint, precision: Precision = Precision.FP32
) -> Path:
    """Writes the graph and its data into `folder`."""
    path = folder / "model.onnx"
    with TensorFile(folder / "model.onnx.data") as tensors:
        weights = Weights(spec, checkpoint)
        onnx.save(build_decoder(weights, precision, Target.CPU, tensors), path)
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
        shape = (self.num_rows, spec.num_kv_heads, self.slot_length, spec.head_dim)
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
