"""Stop strings, found while the text is still growing.

An Aho-Corasick automaton: after each character its node is the longest suffix of the text that
begins some stop string. That suffix is what has to be held back, and a step costs constant time
on average, however cruelly the text resembles a stop string.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence


class _Node:
    __slots__ = ("children", "depth", "fallback", "match_length")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.children: dict[str, _Node] = {}
        self.fallback: _Node | None = None
        self.match_length = 0


class StopStrings:
    """Cuts one output before the first stop string in it.

    First is the one completed first; of several completed by the same character, the longest.
    So the cut depends on the text alone and not on how it was split.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        """`stops` are not empty strings; with no stops all text passes."""
        assert all(stops)
        self._root = _automaton(stops)
        self._node = self._root
        self._held = ""
        self._stopped = False
        self.matched: str | None = None
        """The stop string that ended the output."""
        self._first_char = re.compile("|".join(map(re.escape, self._root.children)))

    def feed(self, text: str) -> tuple[str, bool]:
        """The text now certain to precede any stop string, and whether one was completed.

        After that the output has ended: further text is swallowed.
        """
        if self._stopped:
            return "", True
        if not self._root.children:
            return text, False
        buffer = self._held + text
        node, position = self._node, len(self._held)
        while position < len(buffer):
            if node is self._root:
                position = self._next_candidate(buffer, position)
                if position == len(buffer):
                    break
            node = self._advance(node, buffer[position])
            position += 1
            if node.match_length:
                self._stopped, self._held = True, ""
                start = position - node.match_length
                self.matched = buffer[start:position]
                return buffer[:start], True
        self._node = node
        certain = len(buffer) - node.depth
        self._held = buffer[certain:]
        return buffer[:certain], False

    def flush(self) -> str:
        """What was held back in case a stop string came; the output has ended."""
        held, self._held, self._node = self._held, "", self._root
        return held

    def _next_candidate(self, buffer: str, position: int) -> int:
        found = self._first_char.search(buffer, position)
        return found.start() if found else len(buffer)

    def _advance(self, node: _Node, char: str) -> _Node:
        while char not in node.children:
            if node.fallback is None:
                return node
            node = node.fallback
        return node.children[char]


def _automaton(stops: Sequence[str]) -> _Node:
    root = _Node(0)
    for stop in stops:
        node = root
        for char in stop:
            node = node.children.setdefault(char, _Node(node.depth + 1))
        node.match_length = len(stop)
    queue = deque([root])
    while queue:
        node = queue.popleft()
        for char, child in node.children.items():
            child.fallback = _longest_suffix(node, char) or root
            child.match_length = child.match_length or child.fallback.match_length
            queue.append(child)
    return root


def _longest_suffix(parent: _Node, char: str) -> _Node | None:
    node = parent.fallback
    while node is not None and char not in node.children:
        node = node.fallback
    return node.children[char] if node is not None else None
