"""What `GET /health` says."""

from __future__ import annotations

from typing import Literal

import msgspec


class ModelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A loaded model. `num_running` requests are in the engine, `num_waiting` before it."""

    name: str
    context_length: int
    num_running: int = 0
    num_waiting: int = 0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`device` is the one in use and `device_reason` says why it was chosen."""

    status: Literal["ok", "draining"]
    device: str
    device_reason: str
    models: tuple[ModelHealth, ...] = ()
