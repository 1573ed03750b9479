"""`retort rm`: removes models; files go once no name is left that needs them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from service.cli.arguments import VerbParser, settings_of
from service.cli.client.connection import Address
from service.cli.client.service import Service
from service.cli.errors import CommandError
from service.cli.models import found
from service.cli.output import print_json
from service.errors import ModelNotFound, PackageCorrupt
from service.settings import Settings
from service.store.changes import remove_model
from service.store.packages import Store


class _Deleted(msgspec.Struct, frozen=True):
    deleted: list[str]


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0; nothing is removed unless all names are known."""
    options = parser().parse_args(arguments)
    settings = settings_of(options)
    store = Store(settings.models_folder)
    for name in options.names:
        # A damaged model can be removed.
        with suppress(PackageCorrupt):
            found(store, name)
    for name in options.names:
        _stop(settings, store, name)
        remove_model(store, name)
        _let_go(settings)
        if not options.json:
            print(f"deleted '{name}'")
    if options.json:
        print_json(_Deleted(options.names))
    return 0


def parser() -> VerbParser:
    parser = VerbParser("rm", __doc__)
    parser.add_argument("names", nargs="+", metavar="MODEL")
    parser.add_json()
    parser.add_store()
    return parser


def _let_go(settings: Settings) -> None:
    """Has a service that runs here look again what its models' names stand for."""
    with suppress(CommandError):
        Service(Address.of(settings, os.environ)).loaded()


def _stop(settings: Settings, store: Store, name: str) -> None:
    """Has a service that runs here unload what no name will be left for."""
    with suppress(PackageCorrupt):
        digest = store.find(name).digest
        if sum(package.digest == digest for package in store.packages()) > 1:
            return
    # That there is no service, or that it has another store, is none of this verb's business.
    with suppress(CommandError, ModelNotFound):
        Service(Address.of(settings, os.environ)).unload(name)
