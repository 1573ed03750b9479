"""What the API adds to the engine: log-probabilities, several choices, the server's own work."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import msgspec
from openai import OpenAI

from bench.http_load import LoadPlan, LoadReport, measure_load
from bench.prompts import ENGLISH, text_windows
from bench.report import Measurement, Reach, Rival
from bench.service_process import running_service
from bench.setup import CLIENTS, Setup, Variant

VARIANTS = (Variant.DEFAULT,)

MAX_TOKENS = 96
WORDS_PER_PROMPT = 12
"""Short prompts and long answers: it is streamed tokens that are measured."""

LONG_PROMPT_WORDS = 350
NUM_CHOICES = 4
TOP_LOGPROBS = 5

_Load = Callable[[int | None], LoadReport]


def measure(setup: Setup) -> list[Measurement]:
    """All on one service; with and without logprobs in turn, on prompts that are always new."""
    package = setup.package(Variant.DEFAULT)
    windows = text_windows(ENGLISH.read_text("utf-8"), WORDS_PER_PROMPT)
    with running_service(setup.models, setup.threads) as service:
        plan = LoadPlan(service.url, str(package.name), [], CLIENTS, MAX_TOKENS)

        def load(num_logprobs: int | None) -> LoadReport:
            prompts = list(islice(windows, CLIENTS))
            new = msgspec.structs.replace(plan, prompts=prompts, logprobs=num_logprobs)
            return measure_load(new)

        load(None)
        return [
            *_logprobs(setup, load),
            _share(setup, load, service.pid),
            _choices(setup, service.url, str(package.name)),
        ]


def _logprobs(setup: Setup, load: _Load) -> list[Measurement]:
    rounds = [(load(TOP_LOGPROBS), load(None)) for _ in range(setup.rounds)]
    with_them, without = zip(*rounds, strict=True)
    return [
        Measurement(
            f"{CLIENTS} streams with {TOP_LOGPROBS} top logprobs",
            "tok/s",
            tuple(report.output_rate for report in with_them),
            Rival("without", tuple(report.output_rate for report in without)),
            Reach("ratio_at_least", 0.9),
        )
    ]


def _share(setup: Setup, load: _Load, pid: int) -> Measurement:
    """Processor time of the event loop's thread, which does all but the engine's steps."""
    shares = []
    for _ in range(setup.slow_rounds):
        before = _main_thread_s(pid)
        report = load(None)
        shares.append(1e6 * (_main_thread_s(pid) - before) / report.output_tokens)
    return Measurement(
        f"server's own time per token, {CLIENTS} streams",
        "us",
        tuple(shares),
        reach=Reach("at_most", 150),
    )


def _choices(setup: Setup, url: str, model: str) -> Measurement:
    """Time of several answers of one token to a long prompt, beside that of one answer."""
    client = OpenAI(base_url=f"{url}/v1", api_key="any")
    prompts = text_windows(ENGLISH.read_text("utf-8"), LONG_PROMPT_WORDS)

    def seconds(n: int) -> float:
        started = time.perf_counter()
        answer = client.completions.create(model=model, prompt=next(prompts), n=n, max_tokens=1)
        wall_s = time.perf_counter() - started
        assert len(answer.choices) == n
        return wall_s

    rounds = [(1000 * seconds(NUM_CHOICES), 1000 * seconds(1)) for _ in range(setup.slow_rounds)]
    several, one = zip(*rounds, strict=True)
    return Measurement(
        f"{NUM_CHOICES} choices of one token to {LONG_PROMPT_WORDS} words",
        "ms",
        several,
        Rival("one choice", one),
    )


def _main_thread_s(pid: int) -> float:
    """Seconds that the process's first thread has run. Linux only."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9
