"""What the fields of a request mean for a generation."""

from __future__ import annotations

from service.api.openai.chat_schema import ChatRequest
from service.api.openai.common_schema import GenerationRequest
from service.api.openai.completion_schema import CompletionRequest
from service.api.tools import AnswerForms
from service.engine.request import SamplingParams
from service.errors import RequestError, UnsupportedParameter
from service.options import GenerationOptions, OutputForm
from service.store.manifest import GenerationDefaults

DEFAULT_COMPLETION_TOKENS = 16

_SEED_MASK = 2**64 - 1


def chat_options(
    wire: ChatRequest,
    defaults: GenerationDefaults,
    *,
    splits_reasoning: bool,
    starts_in_reasoning: bool,
    forms: AnswerForms,
) -> GenerationOptions:
    """Of the two names of the limit the newer one wins; without, the context is the limit."""
    newer = whole(wire.max_completion_tokens, "max_completion_tokens")
    older = whole(wire.max_tokens, "max_tokens")
    return GenerationOptions(
        max_tokens=older if newer is None else newer,
        sampling=_sampling_params(wire, defaults),
        num_choices=whole(wire.n, "n") or 1,
        stop=_stop_texts(wire),
        stop_token_ids=frozenset(wire.stop_token_ids or ()),
        ignore_eos=bool(wire.ignore_eos),
        min_tokens=whole(wire.min_tokens, "min_tokens") or 0,
        num_logprobs=(wire.top_logprobs or 0) if wire.logprobs else None,
        splits_reasoning=splits_reasoning,
        starts_in_reasoning=starts_in_reasoning,
        continues_text=bool(wire.continue_final_message),
        form=forms.form,
        calls=forms.calls,
    )


def completion_options(
    wire: CompletionRequest, defaults: GenerationDefaults, form: OutputForm | None
) -> GenerationOptions:
    """With `best_of` so many are generated, and ranked by their logprobs."""
    max_tokens = whole(wire.max_tokens, "max_tokens")
    ranks = num_generated(wire) > num_choices(wire)
    return GenerationOptions(
        max_tokens=DEFAULT_COMPLETION_TOKENS if max_tokens is None else max_tokens,
        sampling=_sampling_params(wire, defaults),
        num_choices=num_generated(wire),
        stop=_stop_texts(wire),
        stop_token_ids=frozenset(wire.stop_token_ids or ()),
        ignore_eos=bool(wire.ignore_eos),
        min_tokens=whole(wire.min_tokens, "min_tokens") or 0,
        num_logprobs=0 if wire.logprobs is None and ranks else wire.logprobs,
        prompt_logprobs=bool(wire.echo) and wire.logprobs is not None,
        continues_text=True,
        form=form,
        prompt_param="prompt",
    )


def num_choices(wire: CompletionRequest) -> int:
    """Answers to each prompt."""
    return whole(wire.n, "n") or 1


def num_generated(wire: CompletionRequest) -> int:
    """Generations for each prompt, of which the best are answered."""
    return wire.best_of or num_choices(wire)


def check_stream_options(wire: GenerationRequest) -> None:
    """Raises RequestError for options of a stream that is none, or that are not honoured."""
    options = wire.stream_options
    if options is None:
        return
    if not wire.stream:
        raise RequestError(
            "'stream_options' is only allowed when 'stream' is true.", param="stream_options"
        )
    if options.include_obfuscation:
        raise UnsupportedParameter(
            "Streams are not obfuscated.", param="stream_options.include_obfuscation"
        )


def whole(value: int | float | None, param: str) -> int | None:
    """5 for 5.0. Raises RequestError for 5.5."""
    if value is not None and value != int(value):
        raise RequestError(f"Invalid value for {param!r}: expected a whole number.", param=param)
    return None if value is None else int(value)


def _sampling_params(wire: GenerationRequest, defaults: GenerationDefaults) -> SamplingParams:
    """What the request leaves out comes from the package, and from OpenAI where that is silent."""
    seed = whole(wire.seed, "seed")
    return SamplingParams(
        temperature=_first(wire.temperature, defaults.temperature, 1.0),
        top_p=_first(wire.top_p, defaults.top_p, 1.0),
        frequency_penalty=wire.frequency_penalty or 0.0,
        presence_penalty=wire.presence_penalty or 0.0,
        seed=None if seed is None else seed & _SEED_MASK,
        top_k=max(0, wire.top_k or 0),
        min_p=wire.min_p or 0.0,
        repetition_penalty=_first(wire.repetition_penalty, 1.0),
        logit_bias=_logit_bias(wire),
    )


def _logit_bias(wire: GenerationRequest) -> tuple[tuple[int, float], ...]:
    bias = wire.logit_bias or {}
    for token in bias:
        if not (token.isascii() and token.isdigit() and len(token) < 10):
            raise RequestError(
                f"Invalid key {token[:50]!r} in 'logit_bias': expected a token id.",
                param="logit_bias",
            )
    # Two spellings of a number are one token, whose biases add up no more than those of one.
    return tuple({int(token): value for token, value in bias.items()}.items())


def _stop_texts(wire: GenerationRequest) -> tuple[str, ...]:
    if wire.stop is None:
        return ()
    return (wire.stop,) if isinstance(wire.stop, str) else tuple(wire.stop)


def _first(*candidates: float | None) -> float:
    return next(value for value in candidates if value is not None)
