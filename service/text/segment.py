"""What a rendered prompt is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a prompt.

    In a literal segment (what a user wrote) control tokens are plain text; elsewhere (what the
    template wrote) they are tokens.
    """

    text: str
    literal: bool = False
