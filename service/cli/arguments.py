"""What the command lines of the verbs have in common."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import NoReturn, TypeVar

from service.cli.errors import WrongUsage
from service.errors import StartupError
from service.settings import Settings, read_client_settings
from service.store.packages import Store

ActionT = TypeVar("ActionT", bound=argparse.Action)

_TRUTHS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
"""The words that Ollama's flags take."""


class Switch(argparse.Action):
    """A flag that alone means true, and takes a value behind `=` only, as Ollama's flags do: what
    follows it is not its value. The last one counts."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        *,
        default: bool | None = False,
        help: str | None = None,
    ) -> None:
        super().__init__(option_strings, dest, nargs=0, default=default, help=help)

    def spellings(self) -> list[str]:
        """With its values."""
        return [f"{flag}={word}" for flag in self.option_strings for word in _TRUTHS]

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002  argparse hands it over
        namespace: argparse.Namespace,
        values: object,  # noqa: ARG002  there are none
        option_string: str | None = None,
    ) -> None:
        _, separator, word = (option_string or "").partition("=")
        setattr(namespace, self.dest, _TRUTHS[word] if separator else True)


class VerbParser(argparse.ArgumentParser):
    """Of one verb; what it does not understand is one line, and the status 2.

    What stores true in it is a Switch.
    """

    def __init__(self, verb: str, description: str | None) -> None:
        """`description` may be the docstring of a module, "`retort verb`: what it does."."""
        said = (description or "").partition("`: ")[2]
        super().__init__(
            prog=f"retort {verb}",
            description=said[:1].upper() + said[1:],
            allow_abbrev=False,
        )
        self.register("action", "store_true", Switch)

    def error(self, message: str) -> NoReturn:
        raise WrongUsage(f"{message} ({self.prog} --help shows how)")

    def flags(self) -> list[str]:
        """All that it knows, in long."""
        known = self._option_string_actions
        return [flag for flag in known if flag.startswith("--") and "=" not in flag]

    def add_json(self) -> None:
        self.add_argument("--json", action="store_true", help="print JSON, for programs")

    def add_store(self) -> None:
        self.add_argument(
            "--models",
            metavar="DIR",
            help="folder of the model packages (default: where the service looks)",
        )

    def _add_action(self, action: ActionT) -> ActionT:
        added = super()._add_action(action)
        if isinstance(added, Switch):
            # Looked up before a word is split at its `=`, and not shown by the help.
            self._option_string_actions.update(dict.fromkeys(added.spellings(), added))
        return added


def settings_of(options: argparse.Namespace) -> Settings:
    """The service's settings, as the variables and `retort.toml` have them; the store is the one
    named by `--models`, where the verb has that flag. Raises WrongUsage."""
    models = getattr(options, "models", None)
    return stated_settings([] if models is None else ["--models", models])


def stated_settings(flags: Sequence[str] = ()) -> Settings:
    """Those of flags of `retort serve`, the variables and `retort.toml`, for a verb that listens
    nowhere. Raises WrongUsage."""
    try:
        return read_client_settings(flags, os.environ)
    except StartupError as error:
        raise WrongUsage(error.message) from None


def store_of(options: argparse.Namespace) -> Store:
    """The store of `settings_of`."""
    return Store(settings_of(options).models_folder)
