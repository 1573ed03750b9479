"""What a verb of the command line is, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

Run = Callable[[Sequence[str]], int]
"""Takes what follows the verb on the command line and gives the exit status."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A word behind `retort`; `module` has a function `run`, and is imported once it is asked for.

    So that one verb works where what another needs cannot be imported.
    """

    name: str
    module: str
    help: str

    def load(self) -> Run:
        run: Run = import_module(self.module).run
        return run


DEFAULT = "serve"
"""What is meant where no verb is named."""

VERBS = (
    Verb(DEFAULT, "service.cli.serve", "serve the models (the default: flags alone mean it)"),
    Verb("doctor", "service.cli.doctor", "find out what works on this machine, and what mends it"),
)
"""All verbs, in the order of the help."""


def chosen(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The verb that `arguments` begin with, or the default, and what is left of them."""
    if arguments and not arguments[0].startswith("-"):
        return arguments[0], arguments[1:]
    return DEFAULT, arguments


def find(name: str) -> Verb | None:
    """The verb of that name."""
    return next((verb for verb in VERBS if verb.name == name), None)
