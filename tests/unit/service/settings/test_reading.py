from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from service.errors import StartupError
from service.settings import Settings, read_client_settings, read_settings
from service.settings.values import ModelKeepAlive

REPOSITORY = Path(__file__).parents[4]


def test_the_defaults_are_those_of_the_documentation() -> None:
    assert read_settings([], {}) == Settings(models_folder=REPOSITORY / "models")
    assert dataclasses.asdict(Settings(models_folder=REPOSITORY)) == {
        "host": "127.0.0.1",
        "port": 11434,
        "models_folder": REPOSITORY,
        "device": "auto",
        "slots": 8,
        "context_length": None,
        "max_queue": 64,
        "num_threads": None,
        "api_keys": (),
        "allow_public": False,
        "allowed_origins": (),
        "drain_timeout_s": 30.0,
        "export_default": True,
        "keep_alive_s": 300.0,
        "model_keep_alive": (),
        "memory_limit_bytes": None,
        "max_loaded_models": None,
        "load_timeout_s": 300.0,
        "preload": (),
        "log_format": "text",
        "log_level": "info",
        "log_prompts": False,
    }


def test_flags_win_over_variables_and_these_over_defaults() -> None:
    environment = {"RETORT_PORT": "1", "RETORT_SLOTS": "3", "RETORT_MAX_QUEUE": "", "PORT": "9"}
    settings = read_settings(["--port", "2"], environment)
    assert (settings.port, settings.slots, settings.max_queue) == (2, 3, 64)


EVERY_FLAG = {
    "--host": "::1",
    "--port": "0",
    "--models": "somewhere",
    "--device": "cuda",
    "--slots": "2",
    "--context": "4096",
    "--max-queue": "0",
    "--threads": "3",
    "--api-key": "k",
    "--allow-origin": "https://chat.example",
    "--drain-timeout": "1.5",
    "--keep-alive": "-1",
    "--model-keep-alive": "llama3.2:1b=1h",
    "--preload": "llama3.2:1b",
    "--memory": "6GB",
    "--max-models": "2",
    "--load-timeout": "90",
    "--log-format": "json",
    "--log-level": "debug",
}
SWITCHES = ("--allow-public", "--no-default", "--log-prompts")


def test_every_setting_has_a_flag_and_a_variable_that_do_the_same() -> None:
    flags = [text for pair in EVERY_FLAG.items() for text in pair]
    named = {"RETORT_" + flag[2:].replace("-", "_").upper(): v for flag, v in EVERY_FLAG.items()}
    switched = {"RETORT_ALLOW_PUBLIC": "1", "RETORT_NO_DEFAULT": "true"}
    switched["RETORT_LOG_PROMPTS"] = "1"
    settings = read_settings([*flags, *SWITCHES], {})
    assert settings == read_settings([], {**named, **switched})
    assert settings == Settings(
        host="::1",
        port=0,
        models_folder=Path("somewhere"),
        device="cuda",
        slots=2,
        context_length=4096,
        max_queue=0,
        num_threads=3,
        api_keys=("k",),
        allow_public=True,
        allowed_origins=("https://chat.example",),
        drain_timeout_s=1.5,
        export_default=False,
        keep_alive_s=math.inf,
        model_keep_alive=(ModelKeepAlive("llama3.2:1b", 3600),),
        preload=("llama3.2:1b",),
        memory_limit_bytes=6_000_000_000,
        max_loaded_models=2,
        load_timeout_s=90,
        log_format="json",
        log_level="debug",
        log_prompts=True,
    )
    changed = [
        field.name
        for field in dataclasses.fields(Settings)
        if getattr(settings, field.name) == getattr(Settings(), field.name)
    ]
    assert changed == []


def test_a_switch_can_be_off_in_the_environment() -> None:
    environment = {"RETORT_NO_DEFAULT": "0", "RETORT_ALLOW_PUBLIC": "false"}
    assert read_settings([], environment) == read_settings([], {})


def test_several_keys_and_origins_can_be_given() -> None:
    flags = ["--api-key", "a,b", "--api-key", " c ", "--allow-origin", "HTTPS://Chat.Example:8443"]
    settings = read_settings([*flags, "--allow-origin=*"], {"RETORT_API_KEY": "d"})
    assert settings.api_keys == ("a,b", "c")
    assert settings.allowed_origins == ("https://chat.example:8443", "*")
    environment = {"RETORT_API_KEY": "a, b", "RETORT_ALLOW_ORIGIN": "null,chrome-extension://*"}
    settings = read_settings([], environment)
    assert settings.api_keys == ("a", "b")
    assert settings.allowed_origins == ("null", "chrome-extension://*")
    with pytest.raises(StartupError, match="RETORT_API_KEY must be"):
        read_settings([], {"RETORT_API_KEY": "a,,b"})


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--port", "65536"),
        ("--port", "-1"),
        ("--port", "80x"),
        ("--port", "٣"),
        ("--port", "9" * 5000),
        ("--port", ""),
        ("--slots", "0"),
        ("--slots", "1.5"),
        ("--context", "5"),
        ("--threads", "0"),
        ("--device", "tpu"),
        ("--drain-timeout", "nan"),
        ("--drain-timeout", "-1"),
        ("--drain-timeout", "soon"),
        ("--api-key", "  "),
        ("--api-key", "a\nb"),
        ("--api-key", "kéy"),
        ("--allow-origin", "chat.example"),
        ("--allow-origin", "https://chat.example/"),
        ("--allow-origin", "https://*.*"),
        ("--allow-origin", ""),
        ("--host", ""),
        ("--models", ""),
        ("--keep-alive", "soon"),
        ("--keep-alive", "5 m"),
        ("--keep-alive", "1e3"),
        ("--keep-alive", "-"),
        ("--model-keep-alive", "5m"),
        ("--model-keep-alive", "a="),
        ("--load-timeout", "0"),
        ("--memory", "6X"),
        ("--memory", "0"),
        ("--memory", "6iB"),
        ("--max-models", "0"),
        ("--log-format", "xml"),
        ("--log-level", "loud"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_naming_its_flag(flag: str, text: str) -> None:
    with pytest.raises(StartupError) as caught:
        read_settings([f"{flag}={text}"], {})
    assert caught.value.message.startswith(f"{flag} must be ")
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 250


def test_a_wrong_variable_is_refused_by_its_own_name() -> None:
    with pytest.raises(StartupError, match="RETORT_PORT must be a whole number"):
        read_settings([], {"RETORT_PORT": "http"})
    with pytest.raises(StartupError, match="RETORT_NO_DEFAULT must be 0, 1, true or false"):
        read_settings([], {"RETORT_NO_DEFAULT": "maybe"})


@pytest.mark.parametrize("arguments", [["--prot", "1"], ["--por", "1"], ["serve"], ["--port"]])
def test_unknown_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(StartupError):
        read_settings(arguments, {})


def test_a_key_is_never_shown() -> None:
    with pytest.raises(StartupError) as caught:
        read_settings(["--api-key", "secret\x00key"], {})
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "box.example"])
def test_an_address_that_others_reach_needs_a_key_or_an_explicit_yes(host: str) -> None:
    with pytest.raises(StartupError, match="RETORT_API_KEY"):
        read_settings(["--host", host], {})
    assert read_settings(["--host", host, "--api-key", "k"], {}).host == host
    assert read_settings(["--host", host, "--allow-public"], {}).host == host


@pytest.mark.parametrize("name", ["RETORT_HOST", "OLLAMA_HOST"])
def test_whoever_listens_nowhere_may_be_told_of_any_address(name: str) -> None:
    assert read_client_settings([], {name: "192.168.1.5"}).host == "192.168.1.5"
    with pytest.raises(StartupError, match="RETORT_PORT"):
        read_client_settings([], {name: "192.168.1.5", "RETORT_PORT": "http"})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_an_address_of_this_machine_needs_none(host: str) -> None:
    assert read_settings(["--host", host], {}).is_loopback
