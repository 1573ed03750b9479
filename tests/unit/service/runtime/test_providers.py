from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from service.errors import StartupError
from service.runtime import providers
from service.runtime.ort import ort
from service.runtime.providers import (
    CPU,
    CUDA,
    DIRECTML,
    PROVIDERS,
    Provider,
    choose_device,
    failure,
    select,
)
from service.settings import DeviceName

REASONS = {"cuda": "no driver", "directml": "not built", "cpu": "broken"}

SITUATIONS = [
    {
        device: REASONS[device] if fails else None
        for device, fails in zip(REASONS, bits, strict=True)
    }
    for bits in product((False, True), repeat=3)
]


@pytest.mark.parametrize("failures", SITUATIONS, ids=str)
def test_auto_takes_the_first_that_works_and_says_what_it_passed(
    failures: dict[str, str | None],
) -> None:
    order = ["cuda", "directml", "cpu"]
    working = [device for device in order if failures[device] is None]
    if not working:
        with pytest.raises(StartupError) as caught:
            select("auto", lambda provider: failures[provider.device])
        assert all(reason in caught.value.message for reason in REASONS.values())
        return
    chosen = select("auto", lambda provider: failures[provider.device])
    assert chosen.provider.device == working[0]
    passed = order[: order.index(working[0])]
    for device in order:
        assert (REASONS[device] in chosen.reason) == (device in passed)


@pytest.mark.parametrize("failures", SITUATIONS, ids=str)
@pytest.mark.parametrize("setting", ["cpu", "cuda", "directml"])
def test_a_device_asked_for_is_used_or_refused_with_its_remedy(
    setting: DeviceName, failures: dict[str, str | None]
) -> None:
    reason = failures[setting]
    if reason is None:
        chosen = select(setting, lambda provider: failures[provider.device])
        assert (chosen.provider.device, chosen.reason) == (setting, "asked for")
        return
    with pytest.raises(StartupError) as caught:
        select(setting, lambda provider: failures[provider.device])
    assert reason in caught.value.message
    assert f".[{setting}]" in caught.value.message
    assert "\n" not in caught.value.message


def test_the_rows_are_what_settings_offer() -> None:
    assert [provider.device for provider in PROVIDERS] == ["cuda", "directml", "cpu"]
    assert set(get_args(DeviceName)) == {"auto", *(provider.device for provider in PROVIDERS)}


def test_only_what_may_be_chosen_is_asked() -> None:
    asked: list[str] = []

    def failure_of(provider: Provider) -> str | None:
        asked.append(provider.device)
        return "absent" if provider is CUDA else None

    select("cpu", failure_of)
    select("auto", failure_of)
    assert asked == ["cpu", "cuda", "directml"]


def test_the_processor_works_here() -> None:
    assert failure(CPU) is None
    assert choose_device("cpu").provider is CPU


@pytest.mark.parametrize("provider", [CUDA, DIRECTML])
def test_a_provider_that_was_not_built_in_says_so(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert f"built without {provider.name}" in (failure(provider) or "")


@pytest.mark.parametrize(("text", "reason"), [("no GPU\nat x.cc:5", "no GPU"), ("", "OSError")])
def test_a_provider_that_does_not_run_gives_the_runtimes_first_line(
    monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OSError(text)

    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA.name])
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(ort, "InferenceSession", fail)
    assert failure(CUDA) == reason


def test_two_distributions_are_refused_before_anything_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = ["onnxruntime", "onnxruntime-gpu"]
    monkeypatch.setattr(providers, "installed_distributions", lambda: both)
    with pytest.raises(StartupError, match="pip uninstall"):
        choose_device("cpu")
