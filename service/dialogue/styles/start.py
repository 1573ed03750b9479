"""Where a prompt leaves off."""

from __future__ import annotations

from enum import Enum


class Start(Enum):
    """Where a prompt leaves off."""

    ANSWER = "before an answer, which may begin with thoughts"
    THOUGHTS = "in the thoughts"
    TEXT = "in the text of an answer, behind all thoughts"
