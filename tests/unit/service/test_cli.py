"""Which verb a command line means."""

from __future__ import annotations

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
        (["-h"], "serve", ["-h"]),
        (["nonsense", "x"], "nonsense", ["x"]),
    ],
)
def test_flags_alone_mean_to_serve(arguments: list[str], verb: str, rest: list[str]) -> None:
    assert chosen(arguments) == (verb, rest)


def test_an_unknown_verb_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serv"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "retort: 'serv' is no command; there are serve, doctor"


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
