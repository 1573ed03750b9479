"""Writes gguf_logprobs.json: what llama.cpp predicts with a tiny random model of each architecture.

    python tests/golden/make_gguf_logprobs.py

needs the PyPI package xllamacpp. Run it from the repository's root with the root on PYTHONPATH.
"""

from __future__ import annotations

import json
import tempfile
import urllib.request
from pathlib import Path

import xllamacpp

from tests.golden.make_smollm2_tokens import write_json
from tests.unit.export.checkpoints.gguf.architecture_cases import CASES
from tests.unit.export.checkpoints.gguf.tiny_model import PREDICTED, PROMPTS, write_model


def predict(path: Path, prompts: tuple[tuple[int, ...], ...]) -> list[list[float]]:
    """Log probabilities of the five tokens behind each prompt."""
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.port, params.cpuparams.n_threads = 64, 1, 0, 1
    params.warmup, params.verbosity, params.cache_prompt = False, 0, False
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)
    return [_predict(server.listening_address, prompt) for prompt in prompts]


def _predict(address: str, prompt: tuple[int, ...]) -> list[float]:
    body = {"prompt": list(prompt), "n_predict": 1, "n_probs": 5, "temperature": 0.0}
    request = urllib.request.Request(
        f"{address}/completion",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as reply:
        (first,) = json.load(reply)["completion_probabilities"]
    by_id = {entry["id"]: entry["logprob"] for entry in first["top_logprobs"]}
    return [round(by_id[token_id], 5) for token_id in range(5)]


def main() -> None:
    content = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in PREDICTED:
            case = CASES[name]
            path = write_model(
                Path(folder) / "tiny.gguf",
                case.prefix,
                case.shapes,
                case.metadata,
                case.num_layers,
                case.tensors,
            )
            content[name] = predict(path, PROMPTS)
    write_json("gguf_logprobs.json", content)


if __name__ == "__main__":
    main()
