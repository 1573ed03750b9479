"""Flags that are true or false, as Ollama's command line takes them."""

from __future__ import annotations

import argparse

import pytest

from service.cli.arguments import VerbParser
from service.cli.errors import WrongUsage
from service.cli.verb import VERBS


def _parser() -> VerbParser:
    parser = VerbParser("try", "`retort try`: tries.")
    parser.add_argument("words", nargs="*")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more")
    parser.add_argument("--truncate", action="store_true", default=None)
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--this", action="store_true")
    one.add_argument("--that", action="store_true")
    return parser


@pytest.mark.parametrize(
    ("typed", "is_verbose", "words"),
    [
        ("", False, []),
        ("--verbose", True, []),
        ("-v", True, []),
        ("--verbose=true", True, []),
        ("-v=1 --this=t", True, []),
        ("--verbose=false", False, []),
        ("--verbose=0 --that=F", False, []),
        ("--verbose --verbose=false", False, []),
        ("--verbose=false --verbose", True, []),
        ("--verbose false", True, ["false"]),
        ("a --verbose b", True, ["a", "b"]),
    ],
)
def test_a_switch_has_a_value_behind_its_sign_alone(
    typed: str, is_verbose: bool, words: list[str]
) -> None:
    options = _parser().parse_intermixed_args(typed.split())
    assert (options.verbose, options.words) == (is_verbose, words)


def test_what_is_no_flag_is_no_switch() -> None:
    options = _parser().parse_args(["--", "--verbose=true"])
    assert (options.verbose, options.words) == (False, ["--verbose=true"])


def test_a_switch_that_is_not_given_can_be_told_from_false() -> None:
    assert _parser().parse_args([]).truncate is None
    assert _parser().parse_args(["--truncate=false"]).truncate is False


@pytest.mark.parametrize("typed", ["--verbose=", "--verbose=maybe", "--verbose=2", "-v=no"])
def test_any_other_value_is_refused(typed: str) -> None:
    with pytest.raises(WrongUsage, match="--verbose"):
        _parser().parse_args([typed])


def test_switches_of_a_group_still_exclude_each_other() -> None:
    assert _parser().parse_args(["--this=true"]).this
    with pytest.raises(WrongUsage, match="not allowed with"):
        _parser().parse_args(["--this", "--that=true"])


def test_values_are_neither_shown_nor_completed() -> None:
    assert "=" not in _parser().format_help()
    assert _parser().flags() == ["--help", "--verbose", "--truncate", "--this", "--that"]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_switch_of_every_verb_takes_a_value(verb: object) -> None:
    parser = next(each for each in VERBS if each is verb).parser()
    actions = [] if parser is None else parser._actions
    assert not [action for action in actions if isinstance(action, argparse._StoreTrueAction)]
