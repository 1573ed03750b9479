"""A compiled constraint, and its state along one output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import llguidance

from service.constraints.completion import completion
from service.engine.bitmask import Bits
from service.engine.constraint import ConstraintError


@dataclass(frozen=True, slots=True)
class CompiledConstraint:
    """What outputs are begun from: each gets a state of its own. Never advanced itself."""

    prototype: llguidance.LLMatcher
    tokenizer: llguidance.LLTokenizer
    text_ends: Sequence[str] = ()

    def begin(self) -> MatcherState:
        """The state of an output that is about to begin."""
        return MatcherState(self.prototype.deep_copy(), self.tokenizer, self.text_ends)


class MatcherState:
    """A Constraint that holds from the first token."""

    def __init__(
        self,
        matcher: llguidance.LLMatcher,
        tokenizer: llguidance.LLTokenizer,
        text_ends: Sequence[str],
    ) -> None:
        self._matcher = matcher
        self._tokenizer = tokenizer
        self._text_ends = text_ends
        self._token_ids: list[int] = []

    @property
    def is_finished(self) -> bool:
        return self._matcher.is_stopped() and not self._matcher.is_error()

    def fill(self, bits: Bits) -> bool:
        """Raises ConstraintError where a limit was met; llguidance would allow the end then."""
        self._matcher.unsafe_compute_mask_ptr(bits.ctypes.data, bits.nbytes)
        self._check()
        return True

    def forced(self) -> Sequence[int]:
        """As the tokenizer spells them, and so no others than the model would have written."""
        # Seldom is anything forced, and asking for tokens spells out the end of the output.
        if not self._matcher.compute_ff_bytes():
            return ()
        forced = self._matcher.compute_ff_tokens()
        return forced[: self._matcher.validate_tokens(forced)] if forced else ()

    def consume(self, token_id: int) -> None:
        self._matcher.consume_token(token_id)
        self._check()
        self._token_ids.append(token_id)

    def completion(self) -> Sequence[int]:
        text = self._tokenizer.decode_bytes(self._token_ids)
        return completion(self._matcher, self._tokenizer, text, self._text_ends)

    def _check(self) -> None:
        if self._matcher.is_error():
            raise ConstraintError(self._matcher.get_error())
