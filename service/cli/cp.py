"""`retort cp`: gives a model another name; no weights are copied."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from service.cli.arguments import VerbParser, store_of
from service.cli.models import found
from service.cli.output import print_json
from service.store.changes import copy_model


class _Copied(msgspec.Struct, frozen=True):
    source: str
    destination: str
    digest: str


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0; CommandError or RetortError if it cannot be done."""
    options = parser().parse_args(arguments)
    store = store_of(options)
    found(store, options.source)
    copied = copy_model(store, options.source, options.destination)
    if options.json:
        print_json(_Copied(options.source, str(copied.name), copied.id))
    else:
        print(f"copied '{options.source}' to '{options.destination}'")
    return 0


def parser() -> VerbParser:
    parser = VerbParser("cp", __doc__)
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("destination", metavar="DESTINATION")
    parser.add_json()
    parser.add_store()
    return parser
