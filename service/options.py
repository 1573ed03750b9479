"""What a request asks of a generation beyond its prompt, in the service's own terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from service.dialogue.tools.format import CallParser
from service.engine.constraint import CompiledConstraint
from service.engine.request import SamplingParams


@dataclass(frozen=True, slots=True)
class OutputForm:
    """What an output is held to: `constraint` decides token by token, and `check` tells what is
    wrong with a finished text, None if nothing is. With `completes` JSON that the
    limit of tokens cuts is closed, by tokens that the model has no part in. `relaxed` are the
    pointers of a schema's keywords that are not enforced."""

    constraint: CompiledConstraint
    check: Callable[[str], str | None] | None = None
    completes: bool = False
    relaxed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CallForm:
    """How calls of tools are read from an output.

    `parser` begins the reading of one; with `are_due` it is not finished without a call. `check`
    tells what is wrong with the arguments of a
    finished call of the tool named, None if nothing is. `new_id` makes an id for a call.
    `shown_ids` are the special tokens that calls are marked with, which else are no text.
    """

    parser: Callable[[], CallParser]
    check: Callable[[str, str], str | None]
    new_id: Callable[[], str]
    shown_ids: frozenset[int] = frozenset()
    are_due: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationOptions:
    """How to generate; every dialect's fields come down to these.

    - `max_tokens`: at most so many, None for what the context leaves; 0 only with
      `prompt_logprobs` or to have a prompt echoed
    - `num_choices`: answers to each prompt, drawn with seeds of their own
    - `stop`: texts before which the output is cut; `stop_token_ids`: tokens that end it beside
      the model's own, which `ignore_eos` disregards; none of them counts before `min_tokens`
    - `num_logprobs`: None for no log-probabilities, else how many alternatives beside each token
    - `prompt_logprobs`: those of the prompt's tokens too
    - `continues_text`: the output goes on where the prompt ends, so that a space it begins with
      belongs to it; otherwise it is a text of its own, as an answer in a chat is
    - `splits_reasoning`: thoughts come apart from the answer; `starts_in_reasoning`: the prompt
      ends inside them
    - `form`: what the output must look like, after the thoughts if it begins with such
    - `calls`: the output may call tools, and calls come apart from the answer
    - `prompt_param`: the request's field that errors about the prompt name
    """

    max_tokens: int | None = None
    sampling: SamplingParams = field(default_factory=SamplingParams)
    num_choices: int = 1
    stop: tuple[str, ...] = ()
    stop_token_ids: frozenset[int] = frozenset()
    ignore_eos: bool = False
    min_tokens: int = 0
    num_logprobs: int | None = None
    prompt_logprobs: bool = False
    continues_text: bool = False
    splits_reasoning: bool = False
    starts_in_reasoning: bool = False
    form: OutputForm | None = None
    calls: CallForm | None = None
    prompt_param: str = "messages"
