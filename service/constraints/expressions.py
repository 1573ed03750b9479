"""Matches strings against JSON Schema's patterns with the engine that enforces them.

Python's own would take exponential time for some patterns, with the interpreter's lock held, and
reads the language differently.
"""

from __future__ import annotations

import json

import llguidance


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
        # The form that the engine gives strings in JSON: nothing escaped but what has to be.
        quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
        byte_ids = [*quoted.encode(errors="surrogatepass")]
        matcher = prototype.deep_copy()
        return matcher.try_consume_tokens(byte_ids) == len(byte_ids) and matcher.is_accepting()

    def _compile(self, pattern: str) -> llguidance.LLMatcher:
        if self._tokenizer is None:
            self._tokenizer = llguidance.LLTokenizer("byte")
        schema = json.dumps({"type": "string", "pattern": pattern})
        grammar = llguidance.LLMatcher.grammar_from_json_schema(schema)
        return llguidance.LLMatcher(self._tokenizer, grammar, log_level=0)
