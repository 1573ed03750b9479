"""A request as the engine sees it: token ids in, token ids out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from service.engine.constraint import Constraint

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is drawn, in the terms of OpenAI and, where it has none, of vLLM.

    `temperature` 0 takes the likeliest token. `logit_bias` is added to the logits of the tokens it
    names. The frequency and presence penalties are subtracted from the logits of tokens already
    generated, once per occurrence and once each; `repetition_penalty` divides positive logits of
    tokens of the prompt or the output and multiplies negative ones (CTRL, arXiv:1909.05858), of the
    last `repetition_window` ones alone if that is given.
    `min_p` leaves out tokens less likely than so much of the likeliest, `top_k` (0: off) all but
    the k likeliest, and then `top_p` all but the nucleus of what is left.

    With a `seed` the tokens depend on the request and the package alone; `choice` tells several
    answers to one request apart, which share its seed.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    repetition_window: int | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Logprobs:
    """Natural logarithms of probabilities at one position, before any sampling parameter.

    `top` are the likeliest tokens there, likeliest first, as many as were asked for.
    """

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(eq=False, slots=True)
class Request:
    """One completion on its way through the engine.

    No token of `stop_token_ids` is drawn before there are `min_tokens`. With `num_logprobs` each
    token comes with its logprobs and so many alternatives, and with `wants_prompt_logprobs` those
    of the prompt gather in `prompt_logprobs`, from its second token on. `max_tokens` 0 ends the
    request once its prompt is computed.

    `constraint` decides which tokens may come, and ends the request where none may.

    `num_computed_tokens` counts the leading tokens whose keys and values stand in `slot`;
    `num_cached_tokens` of them were found there or copied instead of computed.
    """

    request_id: int
    prompt_token_ids: Sequence[int]
    max_tokens: int
    stop_token_ids: frozenset[int]
    sampling: SamplingParams = SamplingParams()
    min_tokens: int = 0
    num_logprobs: int | None = None
    wants_prompt_logprobs: bool = False
    constraint: Constraint | None = None
    output_token_ids: list[int] = field(default_factory=list)
    prompt_logprobs: list[Logprobs] = field(default_factory=list)
    num_computed_tokens: int = 0
    num_cached_tokens: int = 0
    slot: int | None = None

    @property
    def num_prefill_tokens(self) -> int:
        """The prompt but its last token, which enters as the first token of decoding.

        So every logit that is sampled comes from the same computation, whatever was cached.
        """
        return len(self.prompt_token_ids) - 1

    @property
    def is_prefilled(self) -> bool:
        return self.num_computed_tokens >= self.num_prefill_tokens

    @property
    def last_token_id(self) -> int:
        """The newest token: the one whose successor is to be computed."""
        return (self.output_token_ids or self.prompt_token_ids)[-1]

    @property
    def needs_exact_cache(self) -> bool:
        """Whether only keys and values that a fresh prefill would give may be reused."""
        return self.sampling.seed is not None

    @property
    def num_known_tokens(self) -> int:
        """Those of prompt and output together."""
        return len(self.prompt_token_ids) + len(self.output_token_ids)

    @property
    def may_skip_logits(self) -> bool:
        """Whether a token that is forced can be taken without a look at its logits."""
        params = self.sampling
        counts = params.frequency_penalty or params.presence_penalty
        return self.num_logprobs is None and not counts and params.repetition_penalty == 1

    def known_token_ids(self, start: int, end: int) -> list[int]:
        """The tokens `[start, end)` of prompt and output together."""
        return [*self.prompt_token_ids, *self.output_token_ids][start:end]

    def computed_token_ids(self) -> list[int]:
        """The tokens whose keys and values stand in the slot."""
        return self.known_token_ids(0, self.num_computed_tokens)

    def append(self, token_id: int) -> FinishReason | None:
        """Takes the sampled token; says whether the request ends with it, and why."""
        self.output_token_ids.append(token_id)
        if token_id in self.stop_token_ids or (self.constraint and self.constraint.is_finished):
            return "stop"
        return "length" if len(self.output_token_ids) >= self.max_tokens else None
