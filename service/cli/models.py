"""Models of the store, as the verbs find and show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches

from service.cli.errors import CommandError
from service.errors import ModelNotFound
from service.store.names import ModelName
from service.store.packages import AnyPackage, Store

_ID_LENGTH = 12


def found(store: Store, text: str) -> AnyPackage:
    """The model called `text`. Raises CommandError that tells what it may have been, or
    PackageCorrupt."""
    try:
        return store.find(text)
    except ModelNotFound:
        raise unknown(text, store.names()) from None


def unknown(text: str, names: Sequence[ModelName]) -> CommandError:
    """The error of a name that there is not, with the nearest of those there are."""
    known = {spelling: name for name in names for spelling in (str(name), name.path[-1])}
    near = get_close_matches(text.lower(), known, n=1)
    hint = (
        f"did you mean {str(known[near[0]])!r}?" if near else "`retort list` shows those there are."
    )
    return CommandError(
        f"there is no model {text[:80]!r} here; {hint} `retort pull {text[:80]}` gets it if its "
        "name is known."
    )


def full_name(name: ModelName) -> str:
    """With its tag, as Ollama lists models, which also is a name of it."""
    return f"{'/'.join(name.path)}:{name.tag}"


def short_id(digest: str) -> str:
    return digest[:_ID_LENGTH]


def modified(package: AnyPackage) -> datetime:
    return datetime.fromtimestamp(package.created, UTC)
