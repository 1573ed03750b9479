"""Variables of ours that there are not: named, with the one that was meant."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from service.cli import serve
from service.errors import StartupError
from service.settings import read_configuration
from service.settings.options import OPTIONS
from service.settings.shown import shown_configuration
from service.settings.unknown import did_you_mean, unknown

ROOT = Path(__file__).parents[4]
_NAME = re.compile(r"\bRETORT_[A-Z][A-Z_]*\b")


def test_a_variable_that_there_is_not_is_named() -> None:
    environment = {
        "RETORT_KEEPALIVE": "1m",
        "RETORT_KEEP_ALIVE": "1m",
        "RETORT_ZZZ": "1",
        "RETORT_EMPTY": "",
        "OLLAMA_KV_CACHE_TYPE": "q8_0",
        "MY_RETORT_KEEPALIVE": "1m",
    }
    configuration = read_configuration([], environment)
    assert configuration.ignored_variables == [
        "OLLAMA_KV_CACHE_TYPE",
        "RETORT_KEEPALIVE",
        "RETORT_ZZZ",
    ]
    printed = shown_configuration(configuration)
    assert (
        "\n# RETORT_KEEPALIVE is set and not honoured; did you mean RETORT_KEEP_ALIVE?\n" in printed
    )
    assert "\n# RETORT_ZZZ is set and not honoured\n" in printed


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RETORT_KEEPALIVE", "RETORT_KEEP_ALIVE"),
        ("RETORT_API_KEYS", "RETORT_API_KEY"),
        ("RETORT_port", "RETORT_PORT"),
        ("RETORT_CONFIG_FILE", "RETORT_CONFIG"),
        ("RETORT_ZZZ", None),
        ("RETORT_", None),
        ("OLLAMA_KEEPALIVE", None),
    ],
)
def test_the_nearest_is_asked_for_where_one_is_near(name: str, meant: str | None) -> None:
    assert did_you_mean(name) == (f"; did you mean {meant}?" if meant else "")


def test_all_that_anything_here_reads_or_sets_are_known() -> None:
    """In the programs, what deploys them, their documents and the tests but this one."""
    paths = [
        *(path for folder in ("service", "export", "bench", "tests") for path in _texts(folder)),
        *(path for path in (ROOT / "deploy").iterdir() if path.is_file()),
        *ROOT.glob("*.md"),
    ]
    named = {name for path in paths for name in _NAME.findall(path.read_text(encoding="utf-8"))}
    assert {"RETORT_API_KEY", "RETORT_KILLS", "RETORT_CONFIG"} <= named, "the files were read"
    assert unknown(dict.fromkeys(named, "1")) == []
    assert unknown({option.variable: "1" for option in OPTIONS}) == []


def test_a_service_warns_of_it_at_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(_settings: object) -> None:
        raise StartupError("enough")

    monkeypatch.setattr(serve, "log_to_stderr", lambda _settings: None)
    monkeypatch.setattr(serve, "_serve", stop)
    monkeypatch.setenv("RETORT_KEEPALIVE", "1m")
    with caplog.at_level(logging.WARNING):
        assert serve.run([]) == 1
    (told,) = (record.getMessage() for record in caplog.records if "KEEPALIVE" in str(record.args))
    assert told.startswith("RETORT_KEEPALIVE is set;")
    assert told.endswith("; did you mean RETORT_KEEP_ALIVE?")


def _texts(folder: str) -> list[Path]:
    files = (ROOT / folder).rglob("*.py")
    return [path for path in files if path != Path(__file__) and ".cache" not in path.parts]
