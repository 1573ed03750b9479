"""One completion: tokens from the engine become text, cut at stop strings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from service.engine.async_engine import AsyncEngine, Tokens, TokenStream
from service.engine.request import FinishReason
from service.text.detokenizer import Detokenizer
from service.text.stop import StopStrings


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of text; the last one has a finish reason, and its text may be ""."""

    text: str
    finish_reason: FinishReason | None


class Generation:
    """A completion that is running. Iterate over it once; abort it when nobody reads it.

    `num_output_tokens` counts the tokens that the text was made from: those after a stop string,
    which the engine may have computed before it heard of it, are not among them.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        stream: TokenStream,
        detokenizer: Detokenizer,
        stops: StopStrings,
    ) -> None:
        self.num_prompt_tokens = len(stream.request.prompt_token_ids)
        self.num_output_tokens = 0
        self._engine = engine
        self._stream = stream
        self._detokenizer = detokenizer
        self._stops = stops

    @property
    def num_cached_tokens(self) -> int:
        """Prompt tokens whose keys and values were there already; final with the first delta."""
        return self._stream.request.num_cached_tokens

    async def __aiter__(self) -> AsyncIterator[TextDelta]:
        """The text in pieces. Raises EngineFailure or ShuttingDown."""
        async for tokens in self._stream:
            text, stopped = self._decode(tokens)
            finish_reason = tokens.finish_reason
            if finish_reason is not None and not stopped:
                rest, stopped = self._stops.feed(self._detokenizer.flush())
                text += rest
                text += "" if stopped else self._stops.flush()
            if stopped:
                self.abort()
                finish_reason = "stop"
            if text or finish_reason is not None:
                yield TextDelta(text, finish_reason)
            if finish_reason is not None:
                return

    def abort(self) -> None:
        """Ends it; the engine computes at most the step that is under way."""
        self._engine.abort(self._stream.request)

    def _decode(self, tokens: Tokens) -> tuple[str, bool]:
        """The text that is certain now, and whether a stop string ended it.

        Token by token, so that what is counted does not depend on how many came at once. The
        token that ends an answer counts, but whatever its spelling it is no text.
        """
        text = ""
        end = len(tokens.token_ids) - (tokens.finish_reason == "stop")
        for index, token_id in enumerate(tokens.token_ids):
            self.num_output_tokens += 1
            if index == end:
                break
            piece, stopped = self._stops.feed(self._detokenizer.feed([token_id]))
            text += piece
            if stopped:
                return text, True
        return text, False
