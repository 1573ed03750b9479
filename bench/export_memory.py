"""That an export holds a tensor at a time: 4 GB of random weights, and the memory it takes.

Counted is what a process has made its own; pages of mapped files do not count, as the operating
system drops them whenever it wants to.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.report import Measurement, Reach
from bench.setup import Setup, SetupError
from export.checkpoints.open import open_checkpoint

HIDDEN = 4096
INTERMEDIATE = 14336
KV = 1024
VOCABULARY = 49152
NUM_LAYERS = 9

LIMIT_BYTES = 3 * 2 * INTERMEDIATE * HIDDEN * 4
"""Three times gate and up, which are one product, in float32: 1.4 GB, libraries and all."""

_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d+) kB$", re.MULTILINE)
_POLL_INTERVAL_S = 0.02

_CHUNK = 1 << 24


def measure(setup: Setup) -> list[Measurement]:
    """Once."""
    with TemporaryDirectory(dir=setup.models, prefix=".memory-") as name:
        folder = Path(name) / "random"
        folder.mkdir()
        size = _write_model(folder, open_checkpoint(setup.gguf()).tokenizer().tokenizer_json)
        seconds, peak = _export(folder)
    reach = Reach("at_most", LIMIT_BYTES / 1e6)
    return [
        Measurement("export of random weights: size", "MB", (size / 1e6,)),
        Measurement("export of random weights: time", "s", (seconds,)),
        Measurement("export of random weights: peak memory", "MB", (peak / 1e6,), reach=reach),
    ]


def _export(folder: Path) -> tuple[float, int]:
    """Seconds, and the most bytes that were held. Raises SetupError if the export fails."""
    command = [sys.executable, "-m", "export", str(folder), "--models", str(folder.parent)]
    started, peak = time.perf_counter(), 0
    with subprocess.Popen([*command, "--precision", "int8"], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, _held_bytes(process.pid))
            time.sleep(_POLL_INTERVAL_S)
    if process.returncode:
        raise SetupError(f"{folder.name} could not be exported")
    return time.perf_counter() - started, peak


def _held_bytes(pid: int) -> int:
    found = _ANONYMOUS.search(Path(f"/proc/{pid}/status").read_text())
    return 1024 * int(found[1]) if found else 0


def _write_model(folder: Path, tokenizer: bytes) -> int:
    """A llama whose numbers repeat after some millions; bytes of its weights."""
    config = {
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": NUM_LAYERS,
        "num_attention_heads": HIDDEN // 128,
        "num_key_value_heads": KV // 128,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_bytes(tokenizer)
    shapes = _shapes()
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    numbers = np.random.default_rng(0).standard_normal(_CHUNK, np.float32) * np.float32(0.02)
    chunk = numbers.astype("<f2").tobytes()
    encoded = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        left = end
        while left:
            left -= file.write(chunk[:left])
    return end


def _shapes() -> Mapping[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (VOCABULARY, HIDDEN),
        "model.norm.weight": (HIDDEN,),
    }
    for layer in range(NUM_LAYERS):
        parts: Mapping[str, tuple[int, ...]] = {
            "input_layernorm": (HIDDEN,),
            "post_attention_layernorm": (HIDDEN,),
            "self_attn.q_proj": (HIDDEN, HIDDEN),
            "self_attn.k_proj": (KV, HIDDEN),
            "self_attn.v_proj": (KV, HIDDEN),
            "self_attn.o_proj": (HIDDEN, HIDDEN),
            "mlp.gate_proj": (INTERMEDIATE, HIDDEN),
            "mlp.up_proj": (INTERMEDIATE, HIDDEN),
            "mlp.down_proj": (HIDDEN, INTERMEDIATE),
        }
        shapes |= {f"model.layers.{layer}.{part}.weight": shape for part, shape in parts.items()}
    return shapes
