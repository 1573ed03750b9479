"""Matches strings against JSON Schema's patterns with the engine that enforces them.

Python's own would take exponential time for some patterns, with the interpreter's lock held, and
reads the language differently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

import llguidance

from service.constraints.json_options import json_options

_QUOTE = ord('"')


class Expressions:
    """Compiled patterns, for one thread."""

    def __init__(self) -> None:
        self._tokenizer: llguidance.LLTokenizer | None = None
        self._prototypes: dict[str, llguidance.LLMatcher] = {}

    def is_match(self, pattern: str, text: str) -> bool:
        """Whether the pattern, which the guard has let pass, is found anywhere in the text."""
        prototype = self._prototypes.get(pattern)
        if prototype is None:
            prototype = self._prototypes[pattern] = self._compile(pattern)
        byte_ids = [*_quoted(text)]
        matcher = prototype.deep_copy()
        return matcher.try_consume_tokens(byte_ids) == len(byte_ids) and matcher.is_accepting()

    def is_exhausted(self, pattern: str, texts: Iterable[str], step: Callable[[], None]) -> bool:
        """Whether an output can have no string that the pattern is found in but those `texts`.

        `step` is called before each look at what may come next, of which there are at most as
        many as the texts have characters; it may raise.
        """
        prototype = self._compile(pattern, in_outputs=True)
        if prototype.is_error():
            return False  # the compiler refuses it
        tree = _tree(texts)
        pending = [(prototype, tree)]
        while pending:
            matcher, beginnings = pending.pop()
            step()
            following = [*_following(matcher)]
            if any(byte not in beginnings for byte in following):
                return False
            for byte in following:
                if byte != _QUOTE or beginnings is tree:
                    behind = matcher.deep_copy()
                    behind.consume_token(byte)
                    pending.append((behind, beginnings[byte]))
        return True

    def _compile(self, pattern: str, *, in_outputs: bool = False) -> llguidance.LLMatcher:
        if self._tokenizer is None:
            self._tokenizer = llguidance.LLTokenizer("byte")
        schema = json.dumps({"type": "string", "pattern": pattern})
        options = json_options(whitespace=None) if in_outputs else None
        grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=options)
        return llguidance.LLMatcher(self._tokenizer, grammar, log_level=0)


class _Tree(dict[int, "_Tree"]):
    """What follows the beginning of a quoted text, byte by byte."""


def _tree(texts: Iterable[str]) -> _Tree:
    root = _Tree()
    for text in texts:
        node = root
        for byte in _quoted(text):
            node = node.setdefault(byte, _Tree())
    return root


def _quoted(text: str) -> bytes:
    """The form that the engine gives strings in JSON: nothing escaped but what has to be."""
    quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return quoted.encode(errors="surrogatepass")


def _following(matcher: llguidance.LLMatcher) -> Iterator[int]:
    """The bytes that may come next."""
    mask = int.from_bytes(matcher.compute_bitmask(), "little")
    return (byte for byte in range(256) if mask >> byte & 1)
