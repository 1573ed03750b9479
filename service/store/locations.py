"""Where things lie on this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def models_folder(environment: Mapping[str, str]) -> Path:
    """What `RETORT_MODELS` names, or where that is not set `OLLAMA_MODELS`, else the default.

    Raises ValueError as `expanded` does.
    """
    given = environment.get("RETORT_MODELS") or environment.get("OLLAMA_MODELS")
    return expanded(given) if given else default_models_folder(environment)


def expanded(text: str) -> Path:
    """The path, `~` and `~user` in front of it being home folders; ValueError if there is none."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text[:80]!r} begins with a home folder that is not known") from None


def default_models_folder(environment: Mapping[str, str]) -> Path:
    """`models/` of the checkout that the code runs from, else one in the user's data folder."""
    if (_ROOT / "pyproject.toml").is_file():
        return _ROOT / "models"
    return data_folder(environment) / "retort" / "models"


def data_folder(environment: Mapping[str, str]) -> Path:
    """Where programs keep what the user does not look at."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
