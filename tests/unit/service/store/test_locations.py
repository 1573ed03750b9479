from __future__ import annotations

import sys
from pathlib import Path

import pytest

from service.store import locations
from service.store.locations import default_models_folder


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
