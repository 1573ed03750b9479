"""What a package's arithmetic costs: negative log-likelihood of a fixed text, as it is served.

Each window's first half is prefilled and the second half fed token by token through decoding, all
windows as rows of one batch: the very path of a request, whatever graphs the package has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.engine.request import Request
from service.engine.runner import Runner
from service.runtime.providers import CPU
from service.store.packages import Package
from service.text.tokenizer import Tokenizer

TEXT = Path(__file__).parent / "data" / "english.txt"

WINDOW = 512
PREFILLED = 256


def negative_log_likelihood(package: Package) -> float:
    """Nats per token of `TEXT`'s second window halves, given the first ones."""
    windows = _windows(package)
    runner = Runner(
        package.folder, package.manifest, CPU, num_slots=len(windows), slot_length=WINDOW
    )
    for slot, window in enumerate(windows):
        runner.prefill(slot, 0, window[: PREFILLED - 1])
    rows = [_request(slot, window) for slot, window in enumerate(windows)]
    losses = []
    for position in range(PREFILLED, WINDOW):
        logits = runner.decode(rows)
        wanted = [window[position] for window in windows]
        losses.append(_losses(logits, wanted))
        for row, token_id in zip(rows, wanted, strict=True):
            row.output_token_ids.append(token_id)
            row.num_computed_tokens += 1
    return float(np.mean(losses))


def _windows(package: Package) -> list[list[int]]:
    tokenizer = Tokenizer(package.folder / "tokenizer.json")
    token_ids = tokenizer.encode(TEXT.read_text("utf-8"), add_bos=False)
    starts = range(0, len(token_ids) - WINDOW + 1, WINDOW)
    return [token_ids[start : start + WINDOW] for start in starts]


def _request(slot: int, window: Sequence[int]) -> Request:
    return Request(
        request_id=slot,
        prompt_token_ids=list(window[:PREFILLED]),
        max_tokens=WINDOW,
        stop_token_ids=frozenset(),
        num_computed_tokens=PREFILLED - 1,
        slot=slot,
    )


def _losses(logits: NDArray[np.float32], wanted: Sequence[int]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(-1))
    chosen: NDArray[np.float64] = shifted[np.arange(len(wanted)), wanted]
    losses: NDArray[np.float64] = log_sums - chosen
    return losses
