"""The settings themselves, frozen and read once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

DeviceName = Literal["auto", "cpu", "cuda", "directml"]
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

DEFAULT_CONTEXT_LENGTH = 8192
"""Tokens a request may take unless told otherwise; long-context models would take all memory."""

FOREVER = math.inf
"""The `keep_alive_s` of a model that stays loaded."""


@dataclass(frozen=True, slots=True)
class ModelKeepAlive:
    """How long the model called `name` stays loaded, in seconds."""

    name: str
    keep_alive_s: float


@dataclass(frozen=True, slots=True)
class Settings:
    """`slots` requests run at once in each model and `max_queue` more wait.

    `context_length` caps what a package declares, in tokens; None is the service's own cap.
    `num_threads` None is one per physical core. With `export_default` an empty `models_folder`
    gets the embedded model at start. With `api_keys`, each request must bring one of them;
    `allow_public` permits an address that others reach without any. Pages of `allowed_origins`
    may use the service, besides those of this machine.

    A model stays loaded for `keep_alive_s` after its last request, or for as long as
    `model_keep_alive` says for it. All models together get `memory_limit_bytes`, None for what
    the machine has to spare, and there are at most `max_loaded_models` of them, None for any
    number. Requests wait `load_timeout_s` for a model; those in `preload` are loaded at start.
    Request bodies are logged with `log_prompts` alone.
    """

    host: str = "127.0.0.1"
    port: int = 11434
    models_folder: Path = Path("models")
    device: DeviceName = "auto"
    slots: int = 8
    context_length: int | None = None
    max_queue: int = 64
    num_threads: int | None = None
    api_keys: tuple[str, ...] = ()
    allow_public: bool = False
    allowed_origins: tuple[str, ...] = ()
    drain_timeout_s: float = 30.0
    export_default: bool = True
    keep_alive_s: float = 300.0
    model_keep_alive: tuple[ModelKeepAlive, ...] = ()
    memory_limit_bytes: int | None = None
    max_loaded_models: int | None = None
    load_timeout_s: float = 300.0
    preload: tuple[str, ...] = ()
    log_format: LogFormat = "text"
    log_level: LogLevel = "info"
    log_prompts: bool = False

    def served_context_length(self, declared: int, asked: int | None = None) -> int:
        """The context, in tokens, that a model gets whose package declares so many, and which asks
        for so many itself if it does."""
        if asked is not None:
            return asked
        return min(self.context_length or DEFAULT_CONTEXT_LENGTH, declared)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the address."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False
