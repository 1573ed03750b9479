from __future__ import annotations

import sys
from pathlib import Path

import pytest

from service.store import locations
from service.store.locations import default_models_folder, expanded, models_folder


def test_a_checkout_keeps_its_models_itself() -> None:
    assert default_models_folder({}) == Path(__file__).parents[4] / "models"


def test_an_installed_service_keeps_them_with_the_users_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(locations, "_ROOT", tmp_path)
    for platform, variable in (("linux", "XDG_DATA_HOME"), ("win32", "LOCALAPPDATA")):
        monkeypatch.setattr(sys, "platform", platform)
        assert default_models_folder({variable: "/data"}) == Path("/data/retort/models")
        assert default_models_folder({variable: ""}).is_relative_to(Path.home())
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_models_folder({}).parts[-3:] == ("Application Support", "retort", "models")


def test_a_variable_names_another_folder() -> None:
    assert models_folder({"RETORT_MODELS": "/data/models"}) == Path("/data/models")
    assert models_folder({"RETORT_MODELS": "~/m"}) == Path.home() / "m"
    assert models_folder({"OLLAMA_MODELS": "/o"}) == Path("/o")
    assert models_folder({"RETORT_MODELS": "/r", "OLLAMA_MODELS": "/o"}) == Path("/r")
    assert models_folder({"RETORT_MODELS": ""}) == default_models_folder({})
    assert models_folder({}) == default_models_folder({})


def test_a_home_folder_that_is_not_known_is_refused_in_one_line() -> None:
    for refuse in (expanded, lambda text: models_folder({"RETORT_MODELS": text})):
        with pytest.raises(ValueError, match="home folder that is not known") as refused:
            refuse("~nobody-of-that-name/m\n")
        assert str(refused.value).isprintable()
