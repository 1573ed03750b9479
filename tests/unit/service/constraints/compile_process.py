"""Compiles the schema on its standard input, as the service does, and prints what that took.

A process of its own, for what could end it: seconds of processor time, and MiB of memory in all.
"""

from __future__ import annotations

import sys
import threading
import time

import llguidance
import psutil

_STACK_BYTES = 64 << 20


def _compile(text: str) -> None:
    tokenizer = llguidance.LLTokenizer("byte")
    begun_at = time.process_time()
    limits = llguidance.LLParserLimits(
        max_items_in_row=8000, step_max_items=200_000, max_lexer_states=50_000
    )
    grammar = llguidance.LLMatcher.grammar_from_json_schema(text)
    matcher = llguidance.LLMatcher(tokenizer, grammar, log_level=0, limits=limits)
    if not matcher.is_error():
        matcher.compute_bitmask()
    seconds = time.process_time() - begun_at
    print(seconds, psutil.Process().memory_info().rss >> 20)  # noqa: T201


if __name__ == "__main__":
    threading.stack_size(_STACK_BYTES)
    thread = threading.Thread(target=_compile, args=(sys.stdin.read(),))
    thread.start()
    thread.join()
