from __future__ import annotations

import pytest

from service.store.manifest import GenerationDefaults
from service.store.overrides import Overrides, Parameters, RequestDefaults, request_defaults

PACKAGE = GenerationDefaults(temperature=0.2, top_p=0.9)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (Parameters(), RequestDefaults(temperature=0.2, top_p=0.9)),
        (Parameters(temperature=0.0), RequestDefaults(temperature=0.0, top_p=0.9)),
        (Parameters(num_predict=-1), RequestDefaults(temperature=0.2, top_p=0.9)),
        (Parameters(num_predict=7), RequestDefaults(temperature=0.2, top_p=0.9, max_tokens=7)),
        (Parameters(seed=-1), RequestDefaults(temperature=0.2, top_p=0.9)),
        (Parameters(seed=0), RequestDefaults(temperature=0.2, top_p=0.9, seed=0)),
    ],
)
def test_a_modelfile_goes_before_the_package(
    parameters: Parameters, expected: RequestDefaults
) -> None:
    assert request_defaults(PACKAGE, parameters) == expected


@pytest.mark.parametrize(
    ("last_n", "penalty", "window"),
    [(None, 1.2, 64), (-1, 1.2, None), (0, None, None), (8, 1.2, 8)],
)
def test_repetition_counts_as_far_back_as_ollama_has_it(
    last_n: int | None, penalty: float | None, window: int | None
) -> None:
    parameters = Parameters(repeat_penalty=1.2, presence_penalty=0.5, repeat_last_n=last_n)
    defaults = request_defaults(PACKAGE, parameters)
    assert (defaults.repetition_penalty, defaults.repetition_window) == (penalty, window)
    assert defaults.presence_penalty == (None if last_n == 0 else 0.5)


def test_what_is_said_last_counts_parameter_by_parameter() -> None:
    base = Overrides(
        parameters=Parameters(top_k=1, seed=2), system="S", template="T", licenses=("MIT",)
    )
    over = Overrides(parameters=Parameters(seed=3, stop=("x",)), system="", licenses=("MIT", "L"))
    assert over.over(base) == Overrides(
        parameters=Parameters(top_k=1, seed=3, stop=("x",)),
        system="",
        template="T",
        licenses=("MIT", "L"),
    )
    assert Overrides().over(base) == Overrides(template="").over(base) == base
    assert base.over(Overrides()) == base
