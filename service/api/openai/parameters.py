"""What the fields of a request mean for the engine."""

from __future__ import annotations

from service.api.openai.common_schema import GenerationRequest
from service.engine.request import SamplingParams
from service.errors import RequestError, UnsupportedParameter
from service.store.manifest import GenerationDefaults

_SEED_MASK = 2**64 - 1


def sampling_params(request: GenerationRequest, defaults: GenerationDefaults) -> SamplingParams:
    """What the request leaves out comes from the package, and from OpenAI where that is silent."""
    seed = whole(request.seed, "seed")
    return SamplingParams(
        temperature=_first(request.temperature, defaults.temperature, 1.0),
        top_p=_first(request.top_p, defaults.top_p, 1.0),
        frequency_penalty=request.frequency_penalty or 0.0,
        presence_penalty=request.presence_penalty or 0.0,
        seed=None if seed is None else seed & _SEED_MASK,
    )


def stop_texts(request: GenerationRequest) -> tuple[str, ...]:
    if request.stop is None:
        return ()
    return (request.stop,) if isinstance(request.stop, str) else tuple(request.stop)


def includes_usage(request: GenerationRequest) -> bool:
    """Whether a stream ends with a chunk of usage. Raises RequestError for misplaced options."""
    options = request.stream_options
    if options is None:
        return False
    if not request.stream:
        raise RequestError(
            "'stream_options' is only allowed when 'stream' is true.", param="stream_options"
        )
    if options.include_obfuscation:
        raise UnsupportedParameter(
            "Streams are not obfuscated.", param="stream_options.include_obfuscation"
        )
    return bool(options.include_usage)


def whole(value: int | float | None, param: str) -> int | None:
    """5 for 5.0. Raises RequestError for 5.5."""
    if value is not None and value != int(value):
        raise RequestError(f"Invalid value for {param!r}: expected a whole number.", param=param)
    return None if value is None else int(value)


def _first(*candidates: float | None) -> float:
    return next(value for value in candidates if value is not None)
