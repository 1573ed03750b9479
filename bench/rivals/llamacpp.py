"""llama.cpp, as the PyPI package `xllamacpp` carries it: engine rates and its HTTP server.

The prebuilt CPU wheel is compiled for AVX2 without AVX-512 or VNNI, so its numbers are those of
what `pip install` gives; `LlamaCppEngine.build_info` goes beside them in every report.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec
import xllamacpp

from bench.prompts import ENGLISH, token_windows

FlashAttention = Literal["auto", "on", "off"]

_FLASH = {
    "auto": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}


@dataclass(frozen=True, slots=True)
class LlamaCppSettings:
    """What changes llama.cpp's speed; the defaults are the fastest found for it on CPU."""

    flash_attention: FlashAttention = "auto"
    ubatch: int = 512
    kv_unified: bool = False
    memory_map: bool = True
    context_per_slot: int = 1024


class Timings(msgspec.Struct, frozen=True):
    """llama.cpp's own clock for one request: token counts and milliseconds.

    `predicted_ms` starts at the first token produced, so it spans `predicted_n - 1` steps.
    """

    cache_n: int
    prompt_n: int
    prompt_ms: float
    predicted_n: int
    predicted_ms: float


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A running server: its base URL, and its process."""

    url: str
    pid: int


class _Completion(msgspec.Struct, frozen=True):
    timings: Timings


class _Tokens(msgspec.Struct, frozen=True):
    tokens: list[int]


class LlamaCppEngine:
    """llama.cpp in this process, `slots` sequences in one continuous batch, greedy sampling.

    Every measurement runs on the benchmark's English text and may be repeated in any order, so
    rounds of several engines can be interleaved.
    """

    def __init__(
        self, gguf: Path, threads: int, slots: int = 8, settings: LlamaCppSettings | None = None
    ) -> None:
        self._server = _start_server(gguf, threads, slots, settings or LlamaCppSettings())
        self._pool = ThreadPoolExecutor(max_workers=slots)
        self._token_ids = self.tokenize(ENGLISH.read_text(encoding="utf-8"))
        self._fresh: dict[int, Iterator[list[int]]] = {}

    @property
    def build_info(self) -> str:
        """The instruction sets and libraries this llama.cpp was compiled with."""
        return str(xllamacpp.get_system_info()).strip()

    def tokenize(self, text: str) -> list[int]:
        """Token ids of `text` without special tokens, by llama.cpp's own tokenizer."""
        request = urllib.request.Request(
            f"{self._server.listening_address}/tokenize",
            data=json.dumps({"content": text}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            return msgspec.json.decode(response.read(), type=_Tokens).tokens

    def prefill_rate(self, num_tokens: int = 512) -> float:
        """Prompt tokens per second of one fresh prompt, until its first output token."""
        fresh = self._fresh.setdefault(num_tokens, token_windows(self._token_ids, num_tokens))
        timings = self._complete(next(fresh), slot=0, num_tokens=1, reuse=False)
        assert timings.prompt_n == num_tokens, "the prompt was not computed whole"
        return 1000 * num_tokens / timings.prompt_ms

    def decode_rate(self, num_sequences: int, context: int = 128, num_tokens: int = 64) -> float:
        """Output tokens per second, summed over `num_sequences` decoding in one batch.

        Each sequence has `context` tokens behind it at the first timed step. They are computed
        beforehand and taken from the slot's cache, so that no prefill is inside the timing; a
        second call finds most of them still there.
        """
        prompts = list(islice(token_windows(self._token_ids, context), num_sequences))
        for slot, prompt in enumerate(prompts):
            self._complete(prompt, slot, num_tokens=1, reuse=True)
        running = [
            self._pool.submit(self._complete, prompt, slot, num_tokens + 1, True)
            for slot, prompt in enumerate(prompts)
        ]
        finished = [future.result() for future in running]
        assert all(timings.prompt_n == 1 for timings in finished), "a prompt was not cached"
        assert all(timings.predicted_n == num_tokens + 1 for timings in finished)
        return 1000 * num_sequences * num_tokens / max(t.predicted_ms for t in finished)

    def close(self) -> None:
        """Stop llama.cpp's threads and free the model."""
        self._pool.shutdown()
        del self._server

    def _complete(self, prompt: list[int], slot: int, num_tokens: int, reuse: bool) -> Timings:
        answer = self._server.handle_completions(
            {
                "prompt": prompt,
                "id_slot": slot,
                "max_tokens": num_tokens,
                "cache_prompt": reuse,
                "ignore_eos": True,
                "temperature": 0,
            }
        )
        return msgspec.convert(answer, _Completion).timings


def _start_server(
    gguf: Path, threads: int, slots: int, settings: LlamaCppSettings
) -> xllamacpp.Server:
    modes = xllamacpp.llama_load_mode
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_parallel = slots
    params.n_ctx = slots * settings.context_per_slot
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.flash_attn_type = _FLASH[settings.flash_attention]
    params.n_ubatch = settings.ubatch
    params.kv_unified = settings.kv_unified
    params.load_mode = (
        modes.LLAMA_LOAD_MODE_MMAP if settings.memory_map else modes.LLAMA_LOAD_MODE_NONE
    )
    # Greedy sampling needs one candidate: the default chain of nine samplers only costs time.
    params.sampling.samplers = "top_k"
    params.sampling.top_k = 1
    # Prompts never come back here, so saving those of idle slots to RAM would be wasted work.
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.verbosity = 0
    return xllamacpp.Server(params)


@contextmanager
def http_server(
    gguf: Path, threads: int, slots: int = 8, settings: LlamaCppSettings | None = None
) -> Iterator[HttpServer]:
    """Run llama.cpp's OpenAI-compatible server in a process of its own.

    The port is a free one on the loopback address. Raises `RuntimeError` if it does not start.
    """
    chosen = msgspec.json.encode(settings or LlamaCppSettings()).decode()
    command = [sys.executable, "-m", "bench.rivals.llamacpp", str(gguf)]
    command += ["--threads", str(threads), "--slots", str(slots), "--settings", chosen]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"llama.cpp's server did not start with {gguf}")
        try:
            yield HttpServer(url, process.pid)
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def _serve(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Serve a GGUF until standard input is closed.")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--settings", default="{}", help="LlamaCppSettings as JSON")
    options = parser.parse_args(arguments)
    settings = msgspec.json.decode(options.settings, type=LlamaCppSettings)
    server = _start_server(options.gguf, options.threads, options.slots, settings)
    print(server.listening_address, flush=True)
    # The parent's end of the pipe closes however the parent ends, so no server is left behind.
    sys.stdin.read()
    del server


if __name__ == "__main__":
    _serve(sys.argv[1:])
