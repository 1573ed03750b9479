"""What the service is started with: flags, then `RETORT_...` variables, then defaults."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

from service.errors import StartupError
from service.store.locations import default_models_folder

DeviceName = Literal["auto", "cpu", "cuda", "directml"]

DEFAULT_CONTEXT_LENGTH = 8192
"""Tokens a request may take unless told otherwise; long-context models would take all memory."""

_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^*/\s]*\*?[^*/\s]*")


@dataclass(frozen=True, slots=True)
class Settings:
    """`slots` requests run at once in each model and `max_queue` more wait.

    `context_length` caps what a package declares, in tokens; None is the service's own cap.
    `num_threads` None is one per physical core. With `export_default` an empty `models_folder`
    gets the embedded model at start. With `api_keys`, each request must bring one of them;
    `allow_public` permits an address that others reach without any. Pages of `allowed_origins`
    may use the service, besides those of this machine.
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

    def served_context_length(self, declared: int) -> int:
        """The context, in tokens, that a model gets whose package declares so many."""
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


@dataclass(frozen=True, slots=True)
class _Option:
    """`parse` turns the text into `field`'s value, or raises ValueError with what it must be.

    A switch takes no text on the command line; given, it sets `field` to `switch_to`. What
    `repeats` can be given several times, and in a variable several separated by commas; the field
    holds them all.
    """

    flag: str
    field: str
    help: str
    parse: Callable[[str], object] = str
    metavar: str = "TEXT"
    switch_to: bool | None = None
    repeats: bool = False

    @property
    def variable(self) -> str:
        return "RETORT_" + self.flag.removeprefix("--").replace("-", "_").upper()


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        is_number = text.isascii() and text.isdigit() and len(text) <= len(str(high))
        if not is_number or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 86_400:
        raise ValueError("a number of seconds from 0 to 86400")
    return value


def _device(text: str) -> str:
    if text not in get_args(DeviceName):
        raise ValueError(f"one of {', '.join(get_args(DeviceName))}")
    return text


def _filled(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("a printable text that is not empty")
    return text


def _key(text: str) -> str:
    return _filled(text).strip()


def _origin(text: str) -> str:
    pattern = text.strip().lower()
    if not _ORIGIN.fullmatch(pattern):
        raise ValueError(
            "*, null, or an origin such as https://chat.example, https://*.example or "
            "chrome-extension://*, without a path"
        )
    return pattern


def _switch(text: str) -> bool:
    if text.lower() not in {"0", "1", "false", "true"}:
        raise ValueError("0, 1, true or false")
    return text.lower() in {"1", "true"}


def _folder(text: str) -> Path:
    try:
        return Path(_filled(text)).expanduser()
    except RuntimeError:
        raise ValueError("a folder that exists or can be made") from None


_OPTIONS = (
    _Option("--host", "host", "address to listen on (default 127.0.0.1)", _filled, "ADDRESS"),
    _Option("--port", "port", "port to listen on (default 11434)", _whole(0, 65535), "N"),
    _Option("--models", "models_folder", "folder of the model packages", _folder, "DIR"),
    _Option("--device", "device", "auto, cpu, cuda or directml (default auto)", _device, "NAME"),
    _Option("--slots", "slots", "requests run at once (default 8)", _whole(1, 256), "N"),
    _Option(
        "--context",
        "context_length",
        "longest context in tokens (default: the model's, at most 8192)",
        _whole(16, 2**24),
        "N",
    ),
    _Option("--max-queue", "max_queue", "requests that may wait (64)", _whole(0, 10_000), "N"),
    _Option(
        "--threads",
        "num_threads",
        "threads to compute with (default: one per physical core)",
        _whole(1, 1024),
        "N",
    ),
    _Option(
        "--api-key",
        "api_keys",
        "key that clients must send, one of several if given more than once; better set as "
        "RETORT_API_KEY, separated by commas, where `ps` does not show them",
        _key,
        "KEY",
        repeats=True,
    ),
    _Option(
        "--allow-public",
        "allow_public",
        "listen on an address that others reach although no key is set",
        _switch,
        switch_to=True,
    ),
    _Option(
        "--allow-origin",
        "allowed_origins",
        "site whose pages may use the service, with * for any; may be given more than once",
        _origin,
        "ORIGIN",
        repeats=True,
    ),
    _Option(
        "--drain-timeout",
        "drain_timeout_s",
        "seconds that running answers get to finish when the service is stopped (default 30)",
        _seconds,
        "SECONDS",
    ),
    _Option(
        "--no-default",
        "export_default",
        "do not export the embedded model when there is none",
        _switch,
        switch_to=False,
    ),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise StartupError(message)


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Raises StartupError, in one line, for a value that cannot be used."""
    flags = _parser().parse_args(arguments)
    values: dict[str, Any] = {}
    for option in _OPTIONS:
        given = getattr(flags, option.field)
        if isinstance(given, bool):
            values[option.field] = given
        elif given is not None:
            values[option.field] = _value(option, option.flag, given)
        elif from_environment := environment.get(option.variable):
            texts = from_environment.split(",") if option.repeats else from_environment
            values[option.field] = _value(option, option.variable, texts)
    if "models_folder" not in values:
        values["models_folder"] = default_models_folder(environment)
    return _checked(Settings(**values))


def _value(option: _Option, origin: str, given: str | list[str]) -> object:
    if isinstance(given, str):
        return _parsed(option, origin, given)
    return tuple(_parsed(option, origin, text) for text in given)


def _parsed(option: _Option, origin: str, text: str) -> object:
    try:
        value = option.parse(text)
        return value if option.switch_to is None else value is option.switch_to
    except ValueError as error:
        shown = "" if option.field == "api_keys" else f", not {text[:80]!r}"
        raise StartupError(f"{origin} must be {error}{shown}") from None


def _checked(settings: Settings) -> Settings:
    if not settings.api_keys and not settings.allow_public and not settings.is_loopback:
        raise StartupError(
            f"others could reach {settings.host}: set RETORT_API_KEY so that only those who know "
            "the key are served, or pass --allow-public to serve everyone"
        )
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="retort",
        allow_abbrev=False,
        description="Serves the model packages in a folder over an OpenAI-compatible API.",
        epilog="Each flag can be set as a variable too: --max-queue as RETORT_MAX_QUEUE.",
    )
    for option in _OPTIONS:
        if option.switch_to is None:
            parser.add_argument(
                option.flag,
                dest=option.field,
                help=option.help,
                metavar=option.metavar,
                action="append" if option.repeats else "store",
            )
        else:
            parser.add_argument(
                option.flag,
                dest=option.field,
                help=option.help,
                action="store_const",
                const=option.switch_to,
            )
    return parser
