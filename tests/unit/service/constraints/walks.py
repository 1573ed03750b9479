"""Random walks through the masks of a schema, as a model that knows nothing would take them."""

from __future__ import annotations

import json
from random import Random

import llguidance

from service.constraints.json_types import Json

_NUM_STEPS = 600
_NUM_FREE_STEPS = 80
"""After these the walk takes what ends texts, numbers, arrays and objects wherever it may."""

_ENDING = b'"}]'
_OPTIONS: llguidance.JsonCompileOptions = {  # type: ignore[name-defined]
    "item_separator": ",",
    "key_separator": ":",
    "whitespace_flexible": False,
    "coerce_one_of": True,
    # A key with \u escapes would be taken for another one than it is.
    "json_allowed_escapes": 'nrbtf\\"',
}


class Walker:
    """Compiles schemas for a vocabulary of single bytes."""

    def __init__(self) -> None:
        self._tokenizer = llguidance.LLTokenizer("byte")

    def compile(self, schema: Json) -> llguidance.LLMatcher:
        """May be in error, as the matcher itself says."""
        text = json.dumps(schema)
        grammar = llguidance.LLMatcher.grammar_from_json_schema(text, overrides=_OPTIONS)
        limits = llguidance.LLParserLimits(max_items_in_row=8000, step_max_items=200_000)
        return llguidance.LLMatcher(self._tokenizer, grammar, log_level=0, limits=limits)


def allows(matcher: llguidance.LLMatcher, text: str) -> bool:
    """Whether the whole text can be made under the masks."""
    trial, byte_ids = matcher.deep_copy(), [*text.encode()]
    return trial.try_consume_tokens(byte_ids) == len(byte_ids) and trial.is_accepting()


def walk(prototype: llguidance.LLMatcher, random: Random) -> str | None:
    """A finished text, None if the walk was cut before."""
    matcher, taken = prototype.deep_copy(), bytearray()
    for step in range(_NUM_STEPS):
        is_free = step < _NUM_FREE_STEPS
        allowed = _allowed(matcher)
        if matcher.is_accepting() and (not allowed or not is_free or random.random() < 0.3):
            return taken.decode()
        byte = _choose(allowed, is_free, random)
        assert matcher.consume_token(byte), matcher.get_error()
        taken.append(byte)
    return None


def altered(text: str, random: Random) -> str:
    """A text with a slip in it, which may leave it valid or not."""
    at = random.randrange(len(text))
    upto = min(len(text), at + random.randrange(3))
    inserted: str = random.choice(
        ["", "", text[at : at + 2], "\\u0061", "\\n", *'0-.eE",:[]{}\\axé ']
    )
    return text[:at] + inserted + text[upto:]


def _allowed(matcher: llguidance.LLMatcher) -> list[int]:
    mask = int.from_bytes(matcher.compute_bitmask(), "little")
    assert not matcher.is_error(), matcher.get_error()
    return [byte for byte in range(256) if mask >> byte & 1]


def _choose(allowed: list[int], is_free: bool, random: Random) -> int:
    assert allowed, "a dead end"
    ending = [byte for byte in allowed if byte in _ENDING]
    if ending and (not is_free or random.random() < 0.2):
        return random.choice(ending)
    # Most bytes begin characters that are rarely of interest.
    plain = [byte for byte in allowed if byte < 0x80]
    return random.choice(plain if plain and random.random() < 0.9 else allowed)
