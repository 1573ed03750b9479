"""Text to tokens."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import tokenizers

from service.errors import RequestError
from service.text.infill import find_infill_tokens
from service.text.library import content_of, encoding, load
from service.text.segment import Segment
from service.text.token_bytes import TokenBytes, read_token_bytes
from service.text.tokenizer_json import (
    AddedToken,
    TokenizerJson,
    with_control_tokens_exact,
    without_first_space,
)


class Tokenizer:
    """A model's tokenizer. Safe to use from several threads at once.

    Truncation and padding that a `tokenizer.json` may ask for are off, and its post-processor
    never runs: which tokens come before a prompt is said by the caller or by the template.
    """

    def __init__(self, source: Path | bytes, *, bos_token_id: int | None = None) -> None:
        """Reads a `tokenizer.json`, by path or itself. Raises PackageCorrupt if it is none."""
        content = content_of(source)
        parsed = TokenizerJson.parse(content)
        self._content = with_control_tokens_exact(content)
        self._tokenizer = load(self._content)
        self._literal: tokenizers.Tokenizer | None = None
        self._literal_lock = threading.Lock()
        self._adds_first_space = parsed.adds_first_space
        self._bos_token_id = bos_token_id
        self.token_bytes: TokenBytes = read_token_bytes(parsed)
        self.control_tokens: Mapping[str, int] = {
            token.content: token.id
            for token in parsed.added_tokens
            if token.is_control and token.content
        }
        """What must not be recognised in a user's text."""
        self.control_ids = frozenset(token.id for token in parsed.added_tokens if token.is_control)
        self._control = _control_pattern(parsed.added_tokens)

    @property
    def vocab_size(self) -> int:
        """One more than the largest id, added tokens included."""
        return len(self.token_bytes)

    def fits(self, vocab_size: int) -> bool:
        """Whether a model of that many tokens has all those that this one gives."""
        return self.vocab_size <= vocab_size

    def token(self, token_id: int) -> str | None:
        """The spelling of a token in the vocabulary, None for an id that it does not have."""
        spelling: str | None = self._tokenizer.id_to_token(token_id)
        return spelling

    def id_of(self, spelling: str) -> int | None:
        """The token in the vocabulary that is spelled so, None if there is none."""
        token_id: int | None = self._tokenizer.token_to_id(spelling)
        return token_id

    def encode(self, text: str, *, add_bos: bool) -> list[int]:
        """The token ids of `text`, control tokens recognised.

        `add_bos` puts the model's first token before them, if it has one.
        Raises RequestError for text that is not Unicode (lone surrogates).
        """
        token_ids = _encode(self._tokenizer, text)
        if add_bos and self._bos_token_id is not None:
            return [self._bos_token_id, *token_ids]
        return token_ids

    def encode_plain(self, text: str) -> list[int]:
        """The token ids of `text` as it goes on within another, control tokens not recognised."""
        return self._encode_literal(text, is_first=False)

    def encode_segments(self, segments: Sequence[Segment]) -> list[int]:
        """The token ids of a rendered prompt, literal segments free of control tokens.

        Control tokens cut a text into runs that do not influence each other. Runs without
        literal parts are encoded together with the control tokens around them, as if nothing
        were literal; a run with literal parts is encoded whole, as plain text.
        Raises RequestError for text that is not Unicode (lone surrogates).
        """
        token_ids: list[int] = []
        recognised: list[str] = []
        for run in self._runs(segments):
            if run.literal:
                token_ids += _encode(self._tokenizer, "".join(recognised))
                token_ids += self._encode_literal(run.text, is_first=not token_ids)
                recognised = []
            else:
                recognised.append(run.text)
        return token_ids + _encode(self._tokenizer, "".join(recognised))

    def encode_infill(self, prefix: str, suffix: str, *, add_bos: bool) -> list[int]:
        """The token ids of a prompt for what belongs between two texts, which are plain text.

        Raises RequestError where the model has no tokens for it.
        """
        tokens = find_infill_tokens(lambda token: self._tokenizer.token_to_id(token) is not None)
        if tokens is None:
            raise RequestError(
                "The model cannot fill in text: its vocabulary has no tokens that mark a suffix.",
                param="suffix",
            )
        first, second = (suffix, prefix) if tokens.suffix_first else (prefix, suffix)
        token_ids: list[int] = []
        if add_bos and self._bos_token_id is not None:
            token_ids.append(self._bos_token_id)
        for mark, text in ((tokens.before, first), (tokens.between, second), (tokens.behind, "")):
            mark_id = self._tokenizer.token_to_id(mark)
            if mark_id is not None:
                token_ids.append(mark_id)
            token_ids += self._encode_literal(text, is_first=False)
        return token_ids

    def decode(self, token_ids: Sequence[int], *, at_text_start: bool = False) -> str:
        """The text of tokens, special ones as they are written, unknown ids left out.

        `at_text_start`: they are a text of their own, whose first space may be the tokenizer's
        and is left out then. Bytes that are not UTF-8 become U+FFFD.
        """
        text = b"".join(map(self.token_bytes.written, token_ids)).decode(errors="replace")
        drops_space = at_text_start and self.token_bytes.strips_first_space
        return text.removeprefix(" ") if drops_space else text

    def _runs(self, segments: Sequence[Segment]) -> list[Segment]:
        """Splits at the control tokens and joins what lies between two of them."""
        runs: list[Segment] = []
        pieces: list[Segment] = []
        for segment in segments:
            parts = [segment.text] if segment.literal else self._control.split(segment.text)
            for index, part in enumerate(parts):
                if index % 2:  # a control token: the pattern captures it
                    runs += [_joined(pieces), Segment(part)]
                    pieces = []
                else:
                    pieces.append(Segment(part, segment.literal))
        return [*runs, _joined(pieces)]

    def _encode_literal(self, text: str, *, is_first: bool) -> list[int]:
        """The ids of `text` with no control token recognised in it."""
        if self._literal is None:
            # Rarely needed and as large as the first, so it is made when it is; a second one
            # rather than a switch on the first, which other threads may be using.
            with self._literal_lock:
                if self._literal is None:
                    literal = load(without_first_space(self._content))
                    literal.encode_special_tokens = True
                    self._literal = literal
        if is_first and self._adds_first_space and not text.startswith((" ", "▁")):
            text = " " + text
        return _encode(self._literal, text)


def _joined(pieces: Sequence[Segment]) -> Segment:
    """One segment, literal if any piece is."""
    text = "".join(piece.text for piece in pieces)
    return Segment(text, any(piece.literal for piece in pieces))


def _encode(tokenizer: tokenizers.Tokenizer, text: str) -> list[int]:
    if not text:
        return []
    try:
        with encoding():
            token_ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    except (UnicodeEncodeError, TypeError):
        # Which of the two the library raises depends on its version.
        raise RequestError(
            "The text contains a lone surrogate, which no character is.", code="invalid_unicode"
        ) from None
    return token_ids


def _control_pattern(added_tokens: Sequence[AddedToken]) -> re.Pattern[str]:
    """Matches control tokens, with the white space that they swallow; one group, the match."""
    tokens = [token for token in added_tokens if token.is_control and token.content]
    # The longest first: `<|end|>` may begin another.
    tokens.sort(key=lambda token: len(token.content), reverse=True)
    alternatives = [
        (r"\s*" if token.lstrip else "")
        + re.escape(token.content)
        + (r"\s*" if token.rstrip else "")
        for token in tokens
    ]
    return re.compile("(" + ("|".join(alternatives) or "(?!)") + ")")
