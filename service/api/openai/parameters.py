"""What the fields of a request mean for a generation."""

from __future__ import annotations

from service.api.openai.chat_schema import ChatRequest
from service.api.openai.common_schema import GenerationRequest
from service.api.openai.completion_schema import CompletionRequest
from service.api.sampling import first, stop_texts
from service.api.tools import AnswerForms
from service.engine.request import SamplingParams
from service.errors import RequestError, UnsupportedParameter
from service.options import GenerationOptions, OutputForm
from service.store.overrides import RequestDefaults

DEFAULT_COMPLETION_TOKENS = 16

_SEED_MASK = 2**64 - 1


def chat_options(
    wire: ChatRequest,
    defaults: RequestDefaults,
    *,
    splits_reasoning: bool,
    starts_in_reasoning: bool,
    forms: AnswerForms,
) -> GenerationOptions:
    """Of the two names of the limit the newer one wins; without, the context is the limit."""
    newer = whole(wire.max_completion_tokens, "max_completion_tokens")
    older = whole(wire.max_tokens, "max_tokens")
    return GenerationOptions(
        max_tokens=next((n for n in (newer, older) if n is not None), defaults.max_tokens),
        sampling=_sampling_params(wire, defaults),
        num_choices=whole(wire.n, "n") or 1,
        stop=stop_texts(_asked_stops(wire), defaults, forms.form),
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
    wire: CompletionRequest, defaults: RequestDefaults, form: OutputForm | None
) -> GenerationOptions:
    """With `best_of` so many are generated, and ranked by their logprobs."""
    asked = whole(wire.max_tokens, "max_tokens")
    max_tokens = defaults.max_tokens if asked is None else asked
    ranks = num_generated(wire) > num_choices(wire)
    return GenerationOptions(
        max_tokens=DEFAULT_COMPLETION_TOKENS if max_tokens is None else max_tokens,
        sampling=_sampling_params(wire, defaults),
        num_choices=num_generated(wire),
        stop=stop_texts(_asked_stops(wire), defaults, form),
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


def _sampling_params(wire: GenerationRequest, defaults: RequestDefaults) -> SamplingParams:
    """What the request leaves out comes from the model, and from OpenAI where that is silent."""
    seed = whole(wire.seed, "seed")
    return SamplingParams(
        temperature=first(wire.temperature, defaults.temperature, 1.0),
        top_p=first(wire.top_p, defaults.top_p, 1.0),
        frequency_penalty=first(wire.frequency_penalty, defaults.frequency_penalty, 0.0),
        presence_penalty=first(wire.presence_penalty, defaults.presence_penalty, 0.0),
        seed=defaults.seed if seed is None else seed & _SEED_MASK,
        top_k=max(0, int(first(wire.top_k, defaults.top_k, 0))),
        min_p=first(wire.min_p, defaults.min_p, 0.0),
        repetition_penalty=first(wire.repetition_penalty, defaults.repetition_penalty, 1.0),
        repetition_window=None if wire.repetition_penalty else defaults.repetition_window,
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


def _asked_stops(wire: GenerationRequest) -> list[str] | None:
    return [wire.stop] if isinstance(wire.stop, str) else wire.stop
