"""`retort.toml`."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from service.errors import StartupError
from service.settings import read_configuration, read_settings
from service.settings.options import OPTIONS
from service.settings.shown import shown_configuration

HIDDEN = "a-secret-key"


def written(folder: Path, text: str) -> str:
    path = folder / "retort.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_it_is_read_below_flags_and_variables(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        'port = 1\nslots = 2\nmax_queue = 3\nkeep_alive = -1\napi_key = ["a,b", "c"]\n'
        "no_default = true\ndrain_timeout = 1.5\n",
    )
    environment = {"RETORT_SLOTS": "5", "OLLAMA_MAX_QUEUE": "6"}
    configuration = read_configuration(["--config", file, "--port", "4"], environment)
    settings = configuration.settings
    assert (settings.port, settings.slots, settings.max_queue) == (4, 5, 6)
    assert (settings.keep_alive_s, settings.drain_timeout_s) == (math.inf, 1.5)
    assert settings.api_keys == ("a,b", "c")
    assert not settings.export_default
    assert configuration.origins["port"] == "--port"
    assert configuration.origins["keep_alive_s"] == f"{file}: keep_alive"
    assert configuration.origins["host"] == "default"


def test_it_is_found_in_this_folder_then_in_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.chdir(tmp_path)
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert read_settings([], environment).port == 11434
    written(tmp_path / "config" / "retort", "port = 1")
    assert read_settings([], environment).port == 1
    written(tmp_path, "port = 2")
    assert read_settings([], environment).port == 2
    named = written(tmp_path / "other", "port = 3")
    assert read_settings([], {**environment, "RETORT_CONFIG": named}).port == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("max_queu = 3", "'max_queu', which is no setting; did you mean 'max_queue'?"),
        ("colour = 3", "'colour', which is no setting"),
        ("max-queue = 3", "did you mean 'max_queue'"),
        ("port = true", "port must be a text or a number"),
        ("port = [1]", "port must be a text or a number"),
        ("port = 70000", "port must be a whole number from 0 to 65535, not '70000'"),
        ("api_key = 'a'", "api_key must be a list of texts"),
        ("no_default = 1", "no_default must be true or false"),
        ("[port]", "port must be a text or a number"),
        ("port = ", "is no TOML"),
        ("port = 1\nport = 2", "is no TOML"),
    ],
)
def test_what_is_wrong_in_it_is_told_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(StartupError) as refused:
        read_settings(["--config", file], {})
    assert refused.value.message.startswith(file)
    assert reason in refused.value.message
    assert "\n" not in refused.value.message


def test_one_that_is_named_must_be_there_and_be_text(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="no settings file"):
        read_settings(["--config", str(tmp_path / "none.toml")], {})
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(StartupError, match="is no TOML"):
        read_settings(["--config", str(tmp_path / "binary.toml")], {})


def test_what_is_printed_is_a_file_that_says_the_same(tmp_path: Path) -> None:
    arguments = ["--model-keep-alive", 'a "b"=1h', "--no-default", "--memory", "6GB"]
    arguments += ["--models", str(tmp_path), "--keep-alive", "-1", "--allow-origin", "*"]
    environment = {"OLLAMA_NUM_PARALLEL": "3", "OLLAMA_KV_CACHE_TYPE": "q8_0"}
    configuration = read_configuration(arguments, environment)
    printed = shown_configuration(configuration)
    assert read_settings(["--config", written(tmp_path, printed)], {}) == configuration.settings
    assert "slots = 3  # OLLAMA_NUM_PARALLEL" in printed
    assert "OLLAMA_KV_CACHE_TYPE is set and not honoured" in printed
    assert all(option.key in printed for option in OPTIONS)


def test_no_secret_is_printed() -> None:
    configuration = read_configuration(["--api-key", HIDDEN], {})
    printed = shown_configuration(configuration)
    assert HIDDEN not in printed
    assert "api_key: 1 set" in printed
