"""Which verb a command line means."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from service.__main__ import main
from service.cli.verb import VERBS, chosen, find


@pytest.mark.parametrize(
    ("arguments", "verb", "rest"),
    [
        ([], "serve", []),
        (["--port", "0"], "serve", ["--port", "0"]),
        (["serve", "--port", "0"], "serve", ["--port", "0"]),
        (["doctor", "--json"], "doctor", ["--json"]),
        (["serve", "-h"], "serve", ["-h"]),
        (["--port", "0", "-h"], "serve", ["--port", "0", "-h"]),
        (["-h"], "help", []),
        (["--help"], "help", []),
        (["-v"], "version", []),
        (["--version", "--json"], "version", ["--json"]),
        (["nonsense", "x"], "nonsense", ["x"]),
    ],
)
def test_flags_alone_mean_to_serve(arguments: list[str], verb: str, rest: list[str]) -> None:
    assert chosen(arguments) == (verb, rest)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("serv", "did you mean 'serve'?"),
        ("lst", "did you mean 'list'?"),
        ("xyz", f"there are {', '.join(verb.name for verb in VERBS)}"),
    ],
)
def test_an_unknown_verb_is_refused_with_the_nearest_or_all(
    capsys: pytest.CaptureFixture[str], typed: str, told: str
) -> None:
    assert main([typed]) == 2
    assert capsys.readouterr().err == f"retort: {typed!r} is no command; {told}\n"


def test_ollamas_other_words_for_verbs_mean_the_same() -> None:
    assert find("ls") is find("list")
    assert find("start") is find("serve")


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_can_be_loaded_and_explains_itself(
    verb: object, capsys: pytest.CaptureFixture[str]
) -> None:
    found = next(each for each in VERBS if each is verb)
    assert find(found.name) is found
    with pytest.raises(SystemExit) as ended:
        found.load()(["--help"])
    assert ended.value.code == 0
    assert "usage" in capsys.readouterr().out


def test_the_help_tells_of_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"  {verb.name} " in told and verb.help in told for verb in VERBS)


def test_help_explains_one_verb_and_refuses_what_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["help", "cp"])
    assert "retort cp" in capsys.readouterr().out
    assert main(["help", "nothing"]) == 2


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", "--json"]) == 0
    assert f'"{version("retort")}"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["cp", "one"], "DESTINATION"),
        (["list", "--jsn"], "--jsn"),
        (["show", "x", "--license", "--system"], "not allowed with"),
        (["run"], "MODEL"),
        (["run", "x", "--keepalive", "soon"], "--keepalive must be seconds"),
        (["bench", "x", "--tokens", "1"], "at least 16"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_what_is_not_understood_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("retort: ")
    assert error.count("\n") == 1
    assert named in error


def test_a_wrong_variable_is_told_by_every_verb(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RETORT_PORT", "http")
    assert main(["list"]) == main(["ps"]) == 2
    assert "RETORT_PORT" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["RETORT_HOST", "OLLAMA_HOST"])
@pytest.mark.parametrize(
    ("host", "told"), [("0.0.0.0", "http://127.0.0.1:1"), ("nowhere.invalid", "nowhere.invalid:1")]
)
def test_an_address_that_others_reach_is_where_verbs_look_for_a_service(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    host: str,
    told: str,
) -> None:
    monkeypatch.setenv(name, host)
    monkeypatch.setenv("RETORT_PORT", "1")
    assert main(["list", "--models", str(tmp_path)]) == 0
    assert main(["ps"]) == 1
    assert told in capsys.readouterr().err


def test_a_service_still_does_not_listen_there_without_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0")
    assert main(["serve", "--print-config"]) == 2
    assert "RETORT_API_KEY" in capsys.readouterr().err
