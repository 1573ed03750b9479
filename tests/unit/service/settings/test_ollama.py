"""Ollama's variables: read where ours are not set, named where they cannot be honoured."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from service.errors import StartupError
from service.settings import Settings, read_configuration, read_settings
from service.store.locations import default_models_folder

ALL = {
    "OLLAMA_HOST": "localhost:8080",
    "OLLAMA_MODELS": "/models",
    "OLLAMA_KEEP_ALIVE": "-1",
    "OLLAMA_NUM_PARALLEL": "3",
    "OLLAMA_MAX_LOADED_MODELS": "2",
    "OLLAMA_MAX_QUEUE": "7",
    "OLLAMA_CONTEXT_LENGTH": "4096",
    "OLLAMA_ORIGINS": "https://a.example,app://*",
    "OLLAMA_LOAD_TIMEOUT": "90s",
    "OLLAMA_DEBUG": "1",
    "OLLAMA_DEBUG_LOG_REQUESTS": "1",
}


def test_they_say_what_they_say_to_ollama() -> None:
    configuration = read_configuration([], ALL)
    assert configuration.settings == Settings(
        host="localhost",
        port=8080,
        models_folder=Path("/models"),
        keep_alive_s=math.inf,
        slots=3,
        max_loaded_models=2,
        max_queue=7,
        context_length=4096,
        allowed_origins=("https://a.example", "app://*"),
        load_timeout_s=90,
        log_level="debug",
        log_prompts=True,
    )
    assert configuration.origins["port"] == configuration.origins["host"] == "OLLAMA_HOST"
    assert configuration.ignored_variables == []


def test_ours_win_over_them() -> None:
    settings = read_settings([], {**ALL, "RETORT_PORT": "1", "RETORT_KEEP_ALIVE": "5"})
    assert (settings.host, settings.port, settings.keep_alive_s) == ("localhost", 1, 5)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("", "127.0.0.1", 11434),
        ("localhost", "localhost", 11434),
        (":8080", "127.0.0.1", 8080),
        ("[::1]:8080", "::1", 8080),
        ("[::1]", "::1", 11434),
        ("::1", "::1", 11434),
        ("http://localhost", "localhost", 80),
        ("https://localhost/path", "localhost", 443),
        ("http://localhost:8080/", "localhost", 8080),
        (' "127.0.0.1:8080" ', "127.0.0.1", 8080),
    ],
)
def test_an_address_is_read_in_all_its_forms(text: str, host: str, port: int) -> None:
    settings = read_settings([], {"OLLAMA_HOST": text})
    assert (settings.host, settings.port) == (host, port)


def test_an_address_that_others_reach_needs_a_key_from_there_too() -> None:
    with pytest.raises(StartupError, match="RETORT_API_KEY"):
        read_settings([], {"OLLAMA_HOST": "0.0.0.0"})


@pytest.mark.parametrize(
    "name", ["OLLAMA_NUM_PARALLEL", "OLLAMA_MAX_LOADED_MODELS", "OLLAMA_CONTEXT_LENGTH"]
)
def test_zero_leaves_the_choice_to_the_service(name: str) -> None:
    assert read_settings([], {name: "0"}) == Settings(models_folder=default_models_folder({}))


def test_a_load_without_a_limit_is_waited_for_without_one() -> None:
    assert read_settings([], {"OLLAMA_LOAD_TIMEOUT": "0"}).load_timeout_s == math.inf


def test_debugging_can_be_off() -> None:
    assert read_settings([], {"OLLAMA_DEBUG": "false"}).log_level == "info"
    assert not read_settings([], {"OLLAMA_DEBUG_LOG_REQUESTS": "0"}).log_prompts


def test_a_wrong_value_is_refused_by_the_name_of_its_variable() -> None:
    with pytest.raises(StartupError, match="OLLAMA_KEEP_ALIVE must be seconds"):
        read_settings([], {"OLLAMA_KEEP_ALIVE": "soon"})
    with pytest.raises(StartupError, match="OLLAMA_HOST must be a whole number"):
        read_settings([], {"OLLAMA_HOST": "localhost:http"})


def test_those_that_cannot_be_honoured_are_named() -> None:
    environment = {
        "OLLAMA_KV_CACHE_TYPE": "q8_0",
        "OLLAMA_FLASH_ATTENTION": "1",
        "OLLAMA_NEW_THING": "x",
        "OLLAMA_SCHED_SPREAD": "",
        "OLLAMA_NOPRUNE": "1",
        "OLLAMA_PORT": "80",
        "PATH": "/bin",
    }
    assert read_configuration([], environment).ignored_variables == [
        "OLLAMA_FLASH_ATTENTION",
        "OLLAMA_KV_CACHE_TYPE",
        "OLLAMA_NEW_THING",
        "OLLAMA_PORT",
    ]
