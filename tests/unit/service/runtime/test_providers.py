from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

import service.settings
from service.errors import StartupError
from service.runtime import providers
from service.runtime.ort import ort
from service.runtime.providers import (
    CPU,
    CUDA,
    DIRECTML,
    PROVIDERS,
    DeviceSetting,
    choose_device,
    device_names,
    failure,
    select,
)

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
            select("auto", failures)
        assert all(reason in caught.value.message for reason in REASONS.values())
        return
    chosen = select("auto", failures)
    assert chosen.provider.device == working[0]
    passed = order[: order.index(working[0])]
    for device in order:
        assert (REASONS[device] in chosen.reason) == (device in passed)


@pytest.mark.parametrize("failures", SITUATIONS, ids=str)
@pytest.mark.parametrize("setting", ["cpu", "cuda", "directml"])
def test_a_device_asked_for_is_used_or_refused_with_its_remedy(
    setting: DeviceSetting, failures: dict[str, str | None]
) -> None:
    reason = failures[setting]
    if reason is None:
        chosen = select(setting, failures)
        assert (chosen.provider.device, chosen.reason) == (setting, "asked for")
        return
    with pytest.raises(StartupError) as caught:
        select(setting, failures)
    assert reason in caught.value.message
    assert f"retort[{setting}]" in caught.value.message
    assert "\n" not in caught.value.message


def test_the_rows_are_what_settings_offer() -> None:
    assert set(device_names()) == set(get_args(DeviceSetting))
    assert set(device_names()) == set(get_args(service.settings.Device))
    assert [provider.device for provider in PROVIDERS] == ["cuda", "directml", "cpu"]


def test_the_processor_works_here() -> None:
    assert failure(CPU) is None
    assert choose_device("cpu").provider is CPU


@pytest.mark.parametrize("provider", [CUDA, DIRECTML])
def test_a_provider_that_was_not_built_in_says_so(
    provider: providers.Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert f"built without {provider.name}" in (failure(provider) or "")


@pytest.mark.parametrize(("text", "reason"), [("no GPU\nat x.cc:5", "no GPU"), ("", "OSError")])
def test_a_provider_that_does_not_run_gives_the_runtimes_first_line(
    monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OSError(text)

    monkeypatch.setattr(ort, "get_available_providers", lambda: [DIRECTML.name])
    monkeypatch.setattr(ort, "InferenceSession", fail)
    assert failure(DIRECTML) == reason


def test_two_distributions_are_refused_before_anything_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = ["onnxruntime", "onnxruntime-gpu"]
    monkeypatch.setattr(providers, "installed_distributions", lambda: both)
    with pytest.raises(StartupError, match="pip uninstall"):
        choose_device("cpu")
