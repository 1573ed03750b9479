"""What a verb of the command line is, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from service.cli.arguments import VerbParser

Run = Callable[[Sequence[str]], int]
"""Takes what follows the verb on the command line and gives the exit status."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A word behind `retort`; `module` has a function `run`, and is imported once it is asked for.

    So that one verb works where what another needs cannot be imported. `aliases` mean the same.
    Those that take names of models of the store `take_models`, and shells complete these.
    """

    name: str
    module: str
    help: str
    aliases: tuple[str, ...] = ()
    takes_models: bool = False

    def load(self) -> Run:
        run: Run = import_module(self.module).run
        return run

    def parser(self) -> VerbParser | None:
        """Of its flags; None where they are not the verb's own."""
        make: Callable[[], VerbParser] | None = getattr(import_module(self.module), "parser", None)
        return None if make is None else make()


DEFAULT = "serve"
"""What is meant where no verb is named."""

_FLAGS = {"-h": "help", "--help": "help", "-v": "version", "--version": "version"}
"""Flags that are verbs, where they come first."""

VERBS = (
    Verb(
        DEFAULT,
        "service.cli.serve",
        "serve the models (the default: flags alone mean it)",
        aliases=("start",),
    ),
    Verb("run", "service.cli.run", "chat with a model, or ask it once", takes_models=True),
    Verb("pull", "service.cli.pull", "get a model: fetch its weights and make a package of them"),
    Verb("list", "service.cli.list_models", "list the models", ("ls",)),
    Verb("show", "service.cli.show", "tell about a model", takes_models=True),
    Verb("ps", "service.cli.ps", "list the models that the running service has loaded"),
    Verb("stop", "service.cli.stop", "unload a model of the running service", takes_models=True),
    Verb("cp", "service.cli.cp", "give a model another name", takes_models=True),
    Verb("rm", "service.cli.rm", "remove models", takes_models=True),
    Verb("create", "service.cli.create", "make a model from a Modelfile"),
    Verb("verify", "service.cli.verify", "read models to the last byte", takes_models=True),
    Verb("import", "service.cli.import_models", "take over the models of an Ollama"),
    Verb("bench", "service.cli.bench", "measure how fast a model is here", takes_models=True),
    Verb("doctor", "service.cli.doctor", "find out what works on this machine, and what mends it"),
    Verb("completion", "service.cli.completion", "print a script by which a shell completes"),
    Verb("help", "service.cli.help", "list the verbs, or explain one"),
    Verb("version", "service.cli.version", "print the version"),
)
"""All verbs, in the order of the help."""


def chosen(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The verb that `arguments` begin with, or the default, and what is left of them."""
    if arguments and arguments[0] in _FLAGS:
        return _FLAGS[arguments[0]], arguments[1:]
    if arguments and not arguments[0].startswith("-"):
        return arguments[0], arguments[1:]
    return DEFAULT, arguments


def find(name: str) -> Verb | None:
    """The verb of that name."""
    return next((verb for verb in VERBS if name in (verb.name, *verb.aliases)), None)
