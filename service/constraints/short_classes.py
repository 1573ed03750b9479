r"""\d, \w and \s as JavaScript reads them, and JSON Schema after it: digits and words are ASCII.

The engine reads them so in the patterns of schemas, but not in expressions of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_MEMBERS: Mapping[str, str] = {
    "d": "0-9",
    "w": "0-9A-Za-z_",
    "s": r"\t\n\x0B\x0C\r\x20\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000\uFEFF",
}
_TOKEN = re.compile(r"\\(.)|[\[\]]", re.DOTALL)


def spelled_out(pattern: str) -> str:
    """The pattern, which the guard has let pass, with such classes as what they stand for."""
    written, is_in_class, upto = list[str](), False, 0
    for token in _TOKEN.finditer(pattern):
        written.append(pattern[upto : token.start()])
        upto = token.end()
        letter = token.group(1)
        if letter is None:
            is_in_class = token.group() == "["
        written.append(_spelled(letter, is_in_class=is_in_class) or token.group())
    return "".join([*written, pattern[upto:]])


def _spelled(letter: str | None, *, is_in_class: bool) -> str | None:
    members = _MEMBERS.get((letter or "").lower())
    if letter is None or members is None:
        return None
    if letter.isupper():
        return f"[^{members}]"  # which may stand in another class
    return members if is_in_class else f"[{members}]"
