"""What `retort bench` measures, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Work:
    """`rounds` times a prompt of so many tokens is read, and so many more are written."""

    model: str
    prompt_tokens: int
    output_tokens: int
    rounds: int


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Medians of `rounds`; one sequence, whose prompt was in no cache. Rates are per second."""

    model: str
    device: str
    load_s: float
    prompt_tokens: int
    prefill_tokens_per_s: float
    output_tokens: int
    decode_tokens_per_s: float
    rounds: int
