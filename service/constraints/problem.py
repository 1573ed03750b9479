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


def unenforceable(trail: Trail, keyword: str, detail: str = "") -> SchemaProblem:
    """A keyword that means something the masks cannot hold an output to."""
    return SchemaProblem(trail, keyword, f"cannot be enforced while decoding{detail}")


def pointer_of(trail: Trail) -> str:
    """The JSON pointer, as a fragment: '#/properties/a'."""
    tokens = []
    while trail is not None:
        trail, token = trail
        tokens.append(str(token).replace("~", "~0").replace("/", "~1"))
    return shortened("/".join(("#", *reversed(tokens))), _MAX_POINTER_LENGTH)


def shortened(text: str, max_length: int = 60) -> str:
    """What of a client's text goes into a message."""
    return text if len(text) <= max_length else f"{text[:max_length]}…"
