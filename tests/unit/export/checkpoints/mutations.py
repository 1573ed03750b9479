"""Damage done to files, and the one thing that may come of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from export.errors import ExportError
from tests.unit.export.checkpoints.writers import write


def edits(content: bytes, max_edits: int = 4) -> st.SearchStrategy[bytes]:
    """`content` with a few bytes replaced and perhaps its end cut off."""
    position = st.integers(0, len(content) - 1)
    replacements = st.lists(st.tuples(position, st.integers(0, 255)), max_size=max_edits)
    cut = st.one_of(st.just(len(content)), position)
    return st.builds(lambda changes, end: _edit(content, changes, end), replacements, cut)


def opens_or_refuses(path: Path, content: bytes, use: Callable[[Path], object]) -> bool:
    """Whether `use` accepts a file of that content; any error but ExportError escapes."""
    write(path, content)
    try:
        use(path)
    except ExportError as error:
        refusal = str(error)
    else:
        return True
    assert refusal.startswith(str(path))
    assert "\n" not in refusal
    return False


def _edit(content: bytes, changes: list[tuple[int, int]], end: int) -> bytes:
    edited = bytearray(content)
    for position, value in changes:
        edited[position] = value
    return bytes(edited[:end])
