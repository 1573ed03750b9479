"""`retort.toml`: where it is looked for, and what may stand in it."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeAlias

from service.errors import StartupError
from service.settings.options import OPTIONS, Option

FILE_NAME: Final = "retort.toml"

Texts: TypeAlias = str | list[str]


def find_file(named: str | None, environment: Mapping[str, str]) -> Path | None:
    """The file that was named, else the one in this folder, else the user's own, if there is one.

    Raises StartupError if the one that was named is not there.
    """
    if named is not None:
        path = Path(named)
        if not path.is_file():
            raise StartupError(f"there is no settings file {named[:200]!r}")
        return path
    places = (Path(FILE_NAME), _user_folder(environment) / "retort" / FILE_NAME)
    return next((place for place in places if place.is_file()), None)


def read_file(path: Path) -> Mapping[str, Texts]:
    """What it says, by the options' fields, as the texts that the flags would have.

    Raises StartupError, in one line, for a file that is no TOML, keys that are no settings, and
    values of another kind than their setting's.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartupError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise StartupError(f"{path} is no TOML: {reason[:200]}") from None
    options = {option.key: option for option in OPTIONS}
    for key in found:
        if key not in options:
            raise StartupError(f"{path} sets {key[:80]!r}, {_no_setting(key, list(options))}")
    return {
        option.field: _texts(path, option, found[key])
        for key, option in options.items()
        if key in found
    }


def _texts(path: Path, option: Option, value: object) -> Texts:
    if option.repeats:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return [*value]
        raise StartupError(f"{path}: {option.key} must be a list of texts")
    if option.switch_to is not None:
        if isinstance(value, bool):
            return str(value).lower()
        raise StartupError(f"{path}: {option.key} must be true or false")
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise StartupError(f"{path}: {option.key} must be a text or a number")


def _no_setting(key: str, known: Sequence[str]) -> str:
    close = get_close_matches(key, known, n=1)
    return f"which is no setting; did you mean {close[0]!r}?" if close else "which is no setting"


def _user_folder(environment: Mapping[str, str]) -> Path:
    home = Path.home()
    if sys.platform == "win32":
        return Path(environment.get("APPDATA") or home / "AppData" / "Roaming")
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
