"""Regular expressions: the part of their language that masks can follow, read alike by all."""

from __future__ import annotations

from collections.abc import Mapping

from service.constraints.repetitions import repetition_problem

MAX_GROUPS_DEEP = 96

_AFTER_BACKSLASH: Mapping[str, str] = {
    **dict.fromkeys("123456789k", "back-references"),
    **dict.fromkeys("bB<>", "word boundaries"),
    **dict.fromkeys("AGZz", "anchors other than ^ and $"),
}
_AFTER_OPENING: Mapping[str, str] = {
    "?=": "look-around",
    "?!": "look-around",
    "?<=": "look-around",
    "?<!": "look-around",
    "?>": "atomic groups",
    "?(": "conditions",
    "?P=": "back-references",
    "?P>": "recursion",
    "?&": "recursion",
    "?R": "recursion",
}
_SETS = frozenset("dDpPsSwW")
"""What stands for several characters behind a backslash."""

_CLASS_OPERATORS = ("&&", "--", "~~")


def pattern_problem(pattern: str) -> str | None:
    """What of the pattern cannot be enforced, None if nothing is known to be."""
    position, depth = 0, 0
    while position < len(pattern):
        char = pattern[position]
        if char == "[":
            position, problem = _class_end(pattern, position + 1)
        else:
            problem = _outside_class(pattern, position)
            depth += (char == "(") - (char == ")")
        if problem is not None:
            return problem
        if not 0 <= depth <= MAX_GROUPS_DEEP:
            return "a ')' without its '('" if depth < 0 else f"groups {MAX_GROUPS_DEEP} deep"
        position += 2 if char == "\\" else 1
    return "a '(' without its ')'" if depth else repetition_problem(pattern)


def _outside_class(pattern: str, position: int) -> str | None:
    if pattern[position] == "\\":
        return _found(_AFTER_BACKSLASH.get(pattern[position + 1 : position + 2]))
    if pattern.startswith("(?", position):
        for opening, name in _AFTER_OPENING.items():
            if pattern.startswith(opening, position + 1):
                return _found(name)
    return None


def _class_end(pattern: str, start: int) -> tuple[int, str | None]:
    """Where the class that begins before `start` has its ']'."""
    position = start + pattern.startswith("^", start)
    if pattern.startswith("]", position):
        return position, "an empty class; as a character ']' is written '\\]'"
    before: str | None = None
    while position < len(pattern):
        char = pattern[position]
        if char == "-" and before in ("one", "set") and not pattern.startswith("-]", position):
            # Neither end of a range may be a set.
            is_set = before == "set" or _is_set(pattern, position + 1)
            if is_set and not pattern.startswith("--", position):
                return position, "a range from or to what is several characters"
            before = "dash"
        else:
            before = "range" if before == "dash" else "set" if _is_set(pattern, position) else "one"
        if char == "]":
            return position, None
        if char == "[":
            return position, "a class in a class; as a character '[' is written '\\['"
        if pattern.startswith(_CLASS_OPERATORS, position):
            return position, f"{pattern[position : position + 2]!r} in a class"
        position += 2 if char == "\\" else 1
    return position, "a '[' without its ']'"


def _is_set(pattern: str, position: int) -> bool:
    return pattern.startswith("\\", position) and pattern[position + 1 : position + 2] in _SETS


def _found(name: str | None) -> str | None:
    return name and f"{name} in a pattern"
