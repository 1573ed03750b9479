"""Every setting, declared once: its flag, variables, key in `retort.toml` and help follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, TypeAlias, get_args

from service.settings.durations import parse_duration, show_duration
from service.settings.ollama import (
    OllamaVariable,
    endless_if_zero,
    host_of,
    level_of,
    port_of,
    switch_of,
    unless_zero,
)
from service.settings.parsers import (
    choice,
    filled,
    folder,
    key,
    model_keep_alive,
    origin,
    seconds,
    size,
    some_time,
    stripped,
    switch,
    whole,
)
from service.settings.values import DeviceName, LogFormat, LogLevel, ModelKeepAlive, Settings

Scalar: TypeAlias = str | int | float

CONFIG_VARIABLE: Final = "RETORT_CONFIG"
"""Names the settings file, which is no setting itself."""


def _as_it_is(value: object) -> Scalar:
    if isinstance(value, Path):
        return str(value)
    assert isinstance(value, str | int | float)
    return value


def _shown_duration(value: object) -> Scalar:
    assert isinstance(value, float)
    return show_duration(value)


def _shown_keep_alive(value: object) -> Scalar:
    assert isinstance(value, ModelKeepAlive)
    return f"{value.name}={show_duration(value.keep_alive_s)}"


@dataclass(frozen=True, slots=True)
class Option:
    """`parse` turns the text into `field`'s value, or raises ValueError with what it must be.

    A switch takes no text on the command line; given, it sets `field` to `switch_to`. What
    `repeats` can be given several times, and in a variable several separated by commas; the field
    holds them all. `show` is the value as `parse` would read it, and `unset` says in the help what
    None means. The value of a `secret` is never shown.
    """

    flag: str
    field: str
    help: str
    parse: Callable[[str], object] = str
    metavar: str = "TEXT"
    unset: str = ""
    switch_to: bool | None = None
    repeats: bool = False
    secret: bool = False
    ollama: OllamaVariable | None = None
    show: Callable[[object], Scalar] = _as_it_is

    @property
    def key(self) -> str:
        """What it is called in `retort.toml`."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        return f"RETORT_{self.key.upper()}"

    @property
    def default(self) -> object:
        return next(each.default for each in fields(Settings) if each.name == self.field)

    @property
    def full_help(self) -> str:
        """What it does, what holds without it, and the variables that set it."""
        variables = self.variable + (f", {self.ollama.name}" if self.ollama else "")
        return f"{self.help}{self._default_note()} [{variables}]"

    def _default_note(self) -> str:
        if self.unset:
            return f" (default: {self.unset})"
        if self.switch_to is not None or self.repeats:
            return ""
        return f" (default {self.show(self.default)})"


OPTIONS: Final = (
    Option(
        "--host",
        "host",
        "address to listen on",
        filled,
        "ADDRESS",
        ollama=OllamaVariable("OLLAMA_HOST", host_of),
    ),
    Option(
        "--port",
        "port",
        "port to listen on",
        whole(0, 65535),
        "N",
        ollama=OllamaVariable("OLLAMA_HOST", port_of),
    ),
    Option(
        "--models",
        "models_folder",
        "folder of the model packages",
        folder,
        "DIR",
        unset="models/ of the checkout, else one in the user's data folder",
        ollama=OllamaVariable("OLLAMA_MODELS"),
    ),
    Option(
        "--device", "device", "auto, cpu, cuda or directml", choice(get_args(DeviceName)), "NAME"
    ),
    Option(
        "--slots",
        "slots",
        "requests that run at once in each model",
        whole(1, 256),
        "N",
        ollama=OllamaVariable("OLLAMA_NUM_PARALLEL", unless_zero),
    ),
    Option(
        "--context",
        "context_length",
        "longest context in tokens",
        whole(16, 2**24),
        "N",
        unset="the model's, at most 8192",
        ollama=OllamaVariable("OLLAMA_CONTEXT_LENGTH", unless_zero),
    ),
    Option(
        "--max-queue",
        "max_queue",
        "requests that may wait for a model",
        whole(0, 10_000),
        "N",
        ollama=OllamaVariable("OLLAMA_MAX_QUEUE"),
    ),
    Option(
        "--keep-alive",
        "keep_alive_s",
        "how long a model stays loaded after its last request: 5m, 90, 0, or -1 for ever",
        parse_duration,
        "TIME",
        ollama=OllamaVariable("OLLAMA_KEEP_ALIVE"),
        show=_shown_duration,
    ),
    Option(
        "--model-keep-alive",
        "model_keep_alive",
        "the same for one model, which -1 pins: it is not unloaded to make room either; may be "
        "given more than once",
        model_keep_alive,
        "NAME=TIME",
        repeats=True,
        show=_shown_keep_alive,
    ),
    Option(
        "--preload",
        "preload",
        "model to load at start, before the first request; may be given more than once",
        stripped,
        "NAME",
        repeats=True,
    ),
    Option(
        "--memory",
        "memory_limit_bytes",
        "memory for all loaded models together, such as 6GB",
        size,
        "SIZE",
        unset="what is available at start, less a tenth",
    ),
    Option(
        "--max-models",
        "max_loaded_models",
        "models that are loaded at once",
        whole(1, 1000),
        "N",
        unset="as many as fit",
        ollama=OllamaVariable("OLLAMA_MAX_LOADED_MODELS", unless_zero),
    ),
    Option(
        "--load-timeout",
        "load_timeout_s",
        "how long a request waits for a model that is being loaded",
        some_time,
        "TIME",
        ollama=OllamaVariable("OLLAMA_LOAD_TIMEOUT", endless_if_zero),
        show=_shown_duration,
    ),
    Option(
        "--threads",
        "num_threads",
        "threads to compute with",
        whole(1, 1024),
        "N",
        unset="one per physical core",
    ),
    Option(
        "--api-key",
        "api_keys",
        "key that clients must send, one of several if given more than once; better set as a "
        "variable, separated by commas, where `ps` does not show them",
        key,
        "KEY",
        repeats=True,
        secret=True,
    ),
    Option(
        "--allow-public",
        "allow_public",
        "listen on an address that others reach although no key is set",
        switch,
        switch_to=True,
    ),
    Option(
        "--allow-origin",
        "allowed_origins",
        "site whose pages may use the service, with * for any; may be given more than once",
        origin,
        "ORIGIN",
        repeats=True,
        ollama=OllamaVariable("OLLAMA_ORIGINS"),
    ),
    Option(
        "--drain-timeout",
        "drain_timeout_s",
        "seconds that running answers get to finish when the service is stopped",
        seconds,
        "SECONDS",
    ),
    Option("--log-format", "log_format", "text or json", choice(get_args(LogFormat)), "NAME"),
    Option(
        "--log-level",
        "log_level",
        "debug, info, warning or error",
        choice(get_args(LogLevel)),
        "NAME",
        ollama=OllamaVariable("OLLAMA_DEBUG", level_of),
    ),
    Option(
        "--log-prompts",
        "log_prompts",
        "log the bodies of requests, with all that people write",
        switch,
        switch_to=True,
        ollama=OllamaVariable("OLLAMA_DEBUG_LOG_REQUESTS", switch_of),
    ),
    Option(
        "--no-default",
        "export_default",
        "do not export the embedded model when there is none",
        switch,
        switch_to=False,
    ),
)

HONOURED: Final = frozenset(each.ollama.name for each in OPTIONS if each.ollama is not None)
"""Ollama's variables that are read."""
