"""Tokens to text, a few at a time."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from service.text.token_bytes import TokenBytes


class Detokenizer:
    """The text of one output, growing; whatever the chunks, their texts join to the same whole.

    Characters spread over tokens are held back until they are complete. Bytes that are not UTF-8
    become U+FFFD, as in `bytes.decode(errors="replace")` over the whole.

    `at_text_start`: the tokens begin a text of their own (an answer in a chat) and do not
    continue one (a completion), where the first space belongs to the text.
    """

    def __init__(self, token_bytes: TokenBytes, *, at_text_start: bool = True) -> None:
        self._token_bytes = token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._drops_space = at_text_start and token_bytes.strips_first_space

    def feed(self, token_ids: Sequence[int]) -> str:
        """The text that became certain with these tokens, often "" inside a character."""
        return self._decode(self._token_bytes.text_bytes(token_ids), final=False)

    def flush(self) -> str:
        """What was still held back; the output has ended."""
        return self._decode(b"", final=True)

    def _decode(self, data: bytes, *, final: bool) -> str:
        text = self._decoder.decode(data, final)
        if self._drops_space and text:
            self._drops_space = False
            return text.removeprefix(" ")
        return text
