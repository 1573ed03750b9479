"""What the command lines of the verbs have in common."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import NoReturn

from service.cli.errors import WrongUsage
from service.errors import StartupError
from service.settings import Settings, read_client_settings
from service.store.packages import Store


class VerbParser(argparse.ArgumentParser):
    """Of one verb; what it does not understand is one line, and the status 2."""

    def __init__(self, verb: str, description: str | None) -> None:
        """`description` may be the docstring of a module, "`retort verb`: what it does."."""
        said = (description or "").partition("`: ")[2]
        super().__init__(
            prog=f"retort {verb}",
            description=said[:1].upper() + said[1:],
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise WrongUsage(f"{message} ({self.prog} --help shows how)")

    def flags(self) -> list[str]:
        """All that it knows, in long."""
        return [flag for flag in self._option_string_actions if flag.startswith("--")]

    def add_json(self) -> None:
        self.add_argument("--json", action="store_true", help="print JSON, for programs")

    def add_store(self) -> None:
        self.add_argument(
            "--models",
            metavar="DIR",
            help="folder of the model packages (default: where the service looks)",
        )


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
