"""What `GET /health` says."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class ModelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A model that is loaded, or on its way in or out.

    It goes by `names`, and `name` is that of its package. `size` bytes are reserved for it, of
    which `size_vram` on a device of its own; what it takes grows up to that. It is unloaded at
    `expires_at` if nothing more is asked of it, null if that is never. `num_running` requests are
    in the engine, `num_waiting` before it.
    """

    name: str
    names: tuple[str, ...] = ()
    status: Literal["loading", "ready", "unloading"] = "ready"
    context_length: int
    size: int = 0
    size_vram: int = 0
    expires_at: datetime | None = None
    num_running: int = 0
    num_waiting: int = 0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`device` is the one in use and `device_reason` says why it was chosen. Models share
    `memory_limit` bytes, null where nothing limits them, of which `memory_reserved` are taken."""

    status: Literal["ok", "draining"]
    device: str
    device_reason: str
    memory_limit: int | None = None
    memory_reserved: int = 0
    models: tuple[ModelHealth, ...] = ()
