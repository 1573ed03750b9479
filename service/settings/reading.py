"""Settings from where they are stated: each from the first place that states it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from service.errors import StartupError
from service.settings.file import Texts, find_file, read_file
from service.settings.ollama import unhonoured
from service.settings.options import CONFIG_VARIABLE, HONOURED, OPTIONS, Option
from service.settings.unknown import unknown
from service.settings.values import Settings
from service.store.locations import default_models_folder


@dataclass(frozen=True, slots=True)
class Configuration:
    """`origins` says of each field where its value was stated, "default" if nowhere. Of the
    `ignored_variables`, which are set, Ollama's say what there is not, and ours are unknown."""

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None
    ignored_variables: Sequence[str]
    prints_config: bool = False


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """As `read_configuration`, the settings alone."""
    return read_configuration(arguments, environment).settings


def read_client_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Those of a program that listens nowhere: the address is where a service is to be found, and
    who else reaches that is not for a client to settle. Raises StartupError otherwise as
    `read_configuration` does."""
    return _read(arguments, environment, "retort").settings


def read_configuration(
    arguments: Sequence[str], environment: Mapping[str, str], *, prog: str = "retort"
) -> Configuration:
    """Flags, then `RETORT_...` variables, then Ollama's, then `retort.toml`, then defaults.

    Raises StartupError, in one line, for a value that cannot be used, and for an address that
    others reach where no key is set.
    """
    configuration = _read(arguments, environment, prog)
    _check_reach(configuration.settings)
    return configuration


def _read(arguments: Sequence[str], environment: Mapping[str, str], prog: str) -> Configuration:
    flags = make_parser(prog).parse_args(arguments)
    named = flags.config if flags.config is not None else environment.get(CONFIG_VARIABLE) or None
    path = find_file(named, environment)
    stated = _Stated(flags, environment, path, {} if path is None else read_file(path))
    values: dict[str, Any] = {"models_folder": default_models_folder(environment)}
    origins = {}
    for option in OPTIONS:
        found = stated.first(option)
        origins[option.field] = "default" if found is None else found.origin
        if found is not None:
            values[option.field] = _value(option, found)
    return Configuration(
        Settings(**values),
        origins,
        path,
        [*unhonoured(environment, HONOURED), *unknown(environment)],
        prints_config=flags.print_config,
    )


def make_parser(prog: str = "retort") -> argparse.ArgumentParser:
    """Of all flags, whose texts are parsed later, as those of the other places are."""
    parser = _Parser(
        prog=prog,
        allow_abbrev=False,
        description="Serves the model packages in a folder over an OpenAI-compatible API.",
        epilog="Flags win over variables (in brackets: ours, then Ollama's, which is read where "
        "ours is not set), these over retort.toml, whose keys are the flags' names with "
        "underscores: --max-queue is RETORT_MAX_QUEUE and max_queue.",
    )
    for option in OPTIONS:
        _add_flag(parser, option)
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the settings file (default: ./retort.toml, then the one in retort/ in the user's "
        f"configuration folder) [{CONFIG_VARIABLE}]",
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print every setting, where it comes from, and end",
    )
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise StartupError(message)


@dataclass(frozen=True, slots=True)
class _Found:
    """`value` is a text, several of them, or what a switch was set to."""

    value: Texts | bool
    origin: str


@dataclass(frozen=True, slots=True)
class _Stated:
    """All places where settings can be stated."""

    flags: argparse.Namespace
    environment: Mapping[str, str]
    path: Path | None
    in_file: Mapping[str, Texts]

    def first(self, option: Option) -> _Found | None:
        return next(self._all(option), None)

    def _all(self, option: Option) -> Iterator[_Found]:
        if (given := getattr(self.flags, option.field)) is not None:
            yield _Found(given, option.flag)
        if text := self.environment.get(option.variable):
            yield _Found(_split(option, text), option.variable)
        if option.ollama is not None and (text := self._of_ollama(option)):
            yield _Found(_split(option, text), option.ollama.name)
        if option.field in self.in_file:
            yield _Found(self.in_file[option.field], f"{self.path}: {option.key}")

    def _of_ollama(self, option: Option) -> str | None:
        assert option.ollama is not None
        return option.ollama.read(self.environment)


def _split(option: Option, text: str) -> Texts:
    return text.split(",") if option.repeats else text


def _value(option: Option, found: _Found) -> object:
    if isinstance(found.value, bool):
        return found.value
    if isinstance(found.value, str):
        return _parsed(option, found.origin, found.value)
    return tuple(_parsed(option, found.origin, text) for text in found.value)


def _parsed(option: Option, origin: str, text: str) -> object:
    try:
        value = option.parse(text)
        return value if option.switch_to is None else value is option.switch_to
    except ValueError as error:
        shown = "" if option.secret else f", not {text[:80]!r}"
        raise StartupError(f"{origin} must be {error}{shown}") from None


def _check_reach(settings: Settings) -> None:
    if not settings.api_keys and not settings.allow_public and not settings.is_loopback:
        raise StartupError(
            f"others could reach {settings.host}: set RETORT_API_KEY so that only those who know "
            "the key are served, or pass --allow-public to serve everyone"
        )


def _add_flag(parser: argparse.ArgumentParser, option: Option) -> None:
    if option.switch_to is None:
        parser.add_argument(
            option.flag,
            dest=option.field,
            help=option.full_help,
            metavar=option.metavar,
            action="append" if option.repeats else "store",
        )
    else:
        parser.add_argument(
            option.flag,
            dest=option.field,
            help=option.full_help,
            action="store_const",
            const=option.switch_to,
        )
