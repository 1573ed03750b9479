"""How tokens are drawn where a request leaves that open."""

from __future__ import annotations

from service.engine.request import SamplingParams
from service.store.manifest import GenerationDefaults

_OPEN = 1.0
"""OpenAI's and Anthropic's default of both parameters: the model's own distribution."""


def sampling_params(
    defaults: GenerationDefaults,
    *,
    temperature: float | None,
    top_p: float | None,
    top_k: int | None = None,
) -> SamplingParams:
    """What the request leaves out (None) comes from the package, if that has an opinion."""
    return SamplingParams(
        temperature=_first(temperature, defaults.temperature),
        top_p=_first(top_p, defaults.top_p),
        top_k=top_k or 0,
    )


def _first(asked: float | None, default: float | None) -> float:
    return next(value for value in (asked, default, _OPEN) if value is not None)
