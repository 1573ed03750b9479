"""How often a pattern repeats what it repeats: what the engine keeps track of for that, and where
engines of others read it in another way."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

MAX_COST = 64_000
"""Length times how many counts may be meant at once. From 80,000 on, outputs were seen to end with
"too many expressions"."""

_TOKEN = re.compile(
    r"""
    (?P<count>[*+?] | \{\d+(?:,\d*)?\} | \{,\d+\})
    | (?P<spaced>\{(?=[^}]*\s)[\s,]*\d[\d,\s]*\})
    | (?P<flags>\(\?[a-zA-Z-]+\))
    | (?P<open>\((?:\?(?:P?<[^>]*>|[a-zA-Z-]*:))?)
    | (?P<close>\))
    | (?P<bar>\|)
    | (?P<edge>[\^$])
    | (?P<atom>
        \[\^?(?:\\.|[^\]\\])*\]
        | \\(?:[pP]\{[^}]*\} | [xu]\{[^}]*\} | x[0-9a-fA-F]{2} | u[0-9a-fA-F]{4} | .)
        | . )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class _Part:
    """What is repeated or not: `length` of its longest text, where nothing may go on for ever, and
    `num_counts` that repetitions in it may stand at, at once. It `is_fixed` if all its texts have
    that length, and `is_marked` if each has a character that tells where it ends or begins."""

    length: int
    num_counts: int = 1
    is_fixed: bool = True
    is_marked: bool = False
    is_once: bool = True
    text: str = ""


@dataclass(slots=True)
class _Group:
    """Alternatives, the last of which is being read; `atoms` of all of them."""

    branches: list[list[_Part]] = field(default_factory=lambda: [[]])
    atoms: Counter[str] = field(default_factory=Counter)


def repetition_problem(pattern: str) -> str | None:
    """What of the repetitions of a pattern, whose groups and classes are whole, cannot be
    enforced."""
    try:
        _Reader(pattern).read()
    except _Problem as problem:
        return str(problem)
    return None


class _Problem(Exception):
    pass


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._groups = [_Group()]
        # With them, other texts match than are written.
        self._has_flags = re.search(r"\(\?[a-zA-Z-]+[:)]", pattern) is not None

    def read(self) -> None:
        """Raises _Problem."""
        before: str | None = None
        for token in _TOKEN.finditer(self._pattern):
            text, kind = token.group(), token.lastgroup
            if kind == "spaced":
                raise _Problem("spaces in the braces of a repetition")
            if kind == "count" and before == "count" and text == "?":
                before = "lazy"
                continue
            if kind == "count" and before in ("count", "lazy"):
                raise _Problem(
                    "possessive quantifiers in a pattern"
                    if text == "+"
                    else "a repetition of a repetition without a group"
                )
            before = kind
            self._take(kind, text)
        _check_cost(_whole(self._groups[0], is_marked=False))

    def _take(self, kind: str | None, text: str) -> None:
        group = self._groups[-1]
        match kind:
            case "open":
                self._groups.append(_Group())
            case "close":
                self._close()
            case "bar":
                group.branches.append([])
            case "count":
                self._repeat(text)
            case "atom":
                group.atoms[text] += 1
                group.branches[-1].append(_Part(1, text=text))

    def _close(self) -> None:
        group = self._groups.pop()
        outer = self._groups[-1]
        outer.atoms.update(group.atoms)
        part = _whole(group, is_marked=self._is_marked(group))
        _check_cost(part)
        outer.branches[-1].append(part)

    def _repeat(self, count: str) -> None:
        branch = self._groups[-1].branches[-1]
        if not branch:
            return
        part = branch[-1]
        numbers = [int(number[:9]) for number in re.findall(r"\d+", count)]
        most = max([*numbers, 1])
        # How often is never in doubt for what is marked, nor for what is always as long.
        if not (part.is_fixed or part.is_marked):
            part.num_counts *= most
        # What may go on is counted as going on once more.
        part.length *= most + (count in ("*", "+") or count.endswith(",}"))
        part.is_once = False
        part.is_fixed = part.is_fixed and len({*numbers}) == 1 and "," not in count
        _check_cost(part)

    def _is_marked(self, group: _Group) -> bool:
        """Whether each text of a group begins or ends with a character that it has nowhere else:
        how many of them there are is then never in doubt."""
        if self._has_flags or len(group.branches) > 1:
            return False
        ends = (group.branches[0][:1], group.branches[0][-1:])
        return any(
            part.text and part.is_once and _is_only_one(part.text, group.atoms)
            for end in ends
            for part in end
        )


def _whole(group: _Group, *, is_marked: bool) -> _Part:
    lengths = [sum(part.length for part in branch) for branch in group.branches]
    parts = [part for branch in group.branches for part in branch]
    counts = [part.num_counts for part in parts if part.num_counts > 1]
    is_fixed = all(part.is_fixed for part in parts) and len({*lengths}) == 1
    return _Part(max(lengths), sum(counts) or 1, is_fixed, is_marked)


def _check_cost(part: _Part) -> None:
    """Raises _Problem."""
    if part.num_counts > 1 and part.num_counts * part.length > MAX_COST:
        raise _Problem(f"repetitions in repetitions that come to more than {MAX_COST}")


def _is_only_one(mark: str, atoms: Counter[str]) -> bool:
    char = mark.removeprefix("\\")
    is_literal = len(char) == 1 and (mark == char or not char.isalnum()) and mark != "."
    return (
        is_literal
        and atoms[mark] == 1
        and not any(_may_match(atom, char) for atom in atoms if atom != mark)
    )


def _may_match(atom: str, char: str) -> bool:
    try:
        return re.fullmatch(atom, char, re.DOTALL) is not None
    except (re.error, OverflowError):
        return True
