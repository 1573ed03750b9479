"""Why a schema is refused, before it is known which field of the request it came in."""

from __future__ import annotations

from typing import TypeAlias

Trail: TypeAlias = "tuple[Trail, str | int] | None"
"""A place in a JSON document: the place it is in and its key there; None is the document itself.

Written out only for a message: the pointers to all places together can be far longer than the
document.
"""

_MAX_POINTER_LENGTH = 200


class SchemaProblem(Exception):
    """`keyword` of the schema at `trail` is what cannot be; None if it is all of that schema."""

    def __init__(self, trail: Trail, keyword: str | None, reason: str) -> None:
        subject = reason if keyword is None else f"the keyword {keyword!r} {reason}"
        super().__init__(f"{pointer_of(trail)}: {subject}")
        self.trail = trail
        self.reason = reason


class Unenforceable(SchemaProblem):
    """A keyword that means something the masks cannot hold an output to: without it they could."""

    def __init__(self, trail: Trail, keyword: str, reason: str) -> None:
        super().__init__(trail, keyword, reason)
        self.keyword = keyword


def unenforceable(trail: Trail, keyword: str, detail: str = "") -> Unenforceable:
    return Unenforceable(trail, keyword, f"cannot be enforced while decoding{detail}")


def keys_of(trail: Trail) -> list[str | int]:
    """From the document down to the place."""
    keys: list[str | int] = []
    while trail is not None:
        trail, key = trail
        keys.append(key)
    return keys[::-1]


def pointer_of(trail: Trail) -> str:
    """The JSON pointer, as a fragment: '#/properties/a'."""
    tokens = [str(key).replace("~", "~0").replace("/", "~1") for key in keys_of(trail)]
    return shortened("/".join(("#", *tokens)), _MAX_POINTER_LENGTH)


def shortened(text: str, max_length: int = 60) -> str:
    """What of a client's text goes into a message."""
    return text if len(text) <= max_length else f"{text[:max_length]}…"
