"""How tokens are drawn, and where outputs end, where a request leaves that open."""

from __future__ import annotations

from collections.abc import Sequence

from service.engine.request import SamplingParams
from service.options import OutputForm
from service.store.overrides import RequestDefaults

_OPEN = 1.0
"""OpenAI's and Anthropic's default of both parameters: the model's own distribution."""


def sampling_params(
    defaults: RequestDefaults,
    *,
    temperature: float | None,
    top_p: float | None,
    top_k: int | None = None,
) -> SamplingParams:
    """What the request leaves out (None) comes from the model, if that has an opinion."""
    return SamplingParams(
        temperature=first(temperature, defaults.temperature, _OPEN),
        top_p=first(top_p, defaults.top_p, _OPEN),
        frequency_penalty=first(defaults.frequency_penalty, 0.0),
        presence_penalty=first(defaults.presence_penalty, 0.0),
        seed=defaults.seed,
        top_k=max(0, int(first(top_k, defaults.top_k, 0))),
        min_p=first(defaults.min_p, 0.0),
        repetition_penalty=first(defaults.repetition_penalty, 1.0),
        repetition_window=defaults.repetition_window,
    )


def stop_texts(
    asked: Sequence[str] | None, defaults: RequestDefaults, form: OutputForm | None
) -> tuple[str, ...]:
    """The request's, else the model's own, which yet must not cut what is held to a form."""
    if asked is not None:
        return tuple(asked)
    return defaults.stop if form is None else ()


def first(*candidates: float | None) -> float:
    """The first that is given; the last always is."""
    return next(value for value in candidates if value is not None)
