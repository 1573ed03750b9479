"""Finds where the calls in an answer begin."""

from __future__ import annotations

from collections.abc import Collection

from service.dialogue.tools.syntax import WHITE_SPACE


class Opening:
    """Splits a growing answer into text and what follows the first mark that begins calls.

    White space before the mark is dropped. `heads` are marks too, but only at the beginning of
    the answer, and they belong to what follows.
    """

    def __init__(self, marks: Collection[str], heads: Collection[str] = ()) -> None:
        self._marks = marks
        self._heads = heads
        self._is_first = bool(heads)
        self._held = ""
        self._space: list[str] = []

    def feed(self, text: str) -> tuple[str, str | None]:
        """The text that is certain, and what follows the mark; None if there is none yet.

        Not to be fed again once something follows.
        """
        buffer = self._held + text
        if self._is_first:
            begun = buffer.lstrip(WHITE_SPACE)
            if any(begun.startswith(head) for head in self._heads):
                return "", begun
            self._held = buffer
            if any(head.startswith(begun) for head in self._heads):
                return "", None
            self._is_first = False
        return self._find(buffer)

    def flush(self) -> str:
        """What was held back; the answer has ended."""
        self._space.append(self._held)
        return "".join(self._space)

    def _find(self, buffer: str) -> tuple[str, str | None]:
        places = [(at, mark) for mark in self._marks if (at := buffer.find(mark)) >= 0]
        if places:
            at, mark = min(places)
            return self._certain(buffer[:at]), buffer[at + len(mark) :]
        num_held = max((_begun(buffer, mark) for mark in self._marks), default=0)
        certain = len(buffer) - num_held
        self._held = buffer[certain:]
        return self._certain(buffer[:certain]), None

    def _certain(self, text: str) -> str:
        """`text` without the space at its end, which a mark may follow, but with earlier one."""
        stripped = text.rstrip()
        space = text[len(stripped) :]
        if not stripped:
            self._space.append(space)
            return ""
        before, self._space = "".join(self._space), [space]
        return before + stripped


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of `text` may begin the mark."""
    longest = min(len(mark) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(mark[:n])), 0)
