"""The prompt of a completion as its answer shows it, when it is to be echoed."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from service.api.openai.logprobs import CompletionLogprobs, TokenBytes, echoed_logprobs
from service.engine.request import Logprobs


@dataclass(frozen=True, slots=True)
class Echo:
    """`text` is the prompt's; the first `num_hidden` of its tokens do not show in it (those that
    the tokenizer put before a text)."""

    text: str
    token_ids: Sequence[int]
    num_hidden: int = 0

    def logprobs(self, found: Sequence[Logprobs], token_bytes: TokenBytes) -> CompletionLogprobs:
        offsets = self._offsets(token_bytes)
        return echoed_logprobs(self.token_ids, offsets, found, token_bytes)

    def _offsets(self, token_bytes: TokenBytes) -> list[int]:
        """Where each token begins in the text; one that only completes a character, behind it."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        offsets, length = [], 0
        for index, token_id in enumerate(self.token_ids):
            offsets.append(length)
            if index >= self.num_hidden:
                length += len(decoder.decode(token_bytes(token_id)))
        return offsets
