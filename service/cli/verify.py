"""`retort verify`: reads models to the last byte and tells which are damaged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from service.cli.arguments import VerbParser, store_of
from service.cli.models import found, full_name
from service.cli.output import print_json
from service.errors import PackageCorrupt
from service.store.packages import Store
from service.store.verify import Verified, verify_model, verify_store


class _Result(msgspec.Struct, frozen=True):
    """`problem` is null where nothing is wrong."""

    name: str
    problem: str | None


class _Results(msgspec.Struct, frozen=True):
    models: list[_Result]


def run(arguments: Sequence[str]) -> int:
    """The exit status: 1 if a model is damaged, else 0."""
    options = parser().parse_args(arguments)
    store = store_of(options)
    results = []
    for each in _verified(store, options.names):
        results.append(_Result(full_name(each.name), each.problem))
        if not options.json:
            print(f"{full_name(each.name)}: {each.problem or 'all files are as they were made'}")
    if options.json:
        print_json(_Results(results))
    return int(any(each.problem for each in results))


def _verified(store: Store, names: Sequence[str]) -> Iterable[Verified]:
    """Every model is known before the first is read."""
    if not names:
        return verify_store(store)
    for name in names:
        # One that is damaged is there, and told of below.
        with suppress(PackageCorrupt):
            found(store, name)
    return (verify_model(store, name) for name in names)


def parser() -> VerbParser:
    parser = VerbParser("verify", __doc__)
    parser.add_argument("names", nargs="*", metavar="MODEL", help="(default: all models)")
    parser.add_json()
    parser.add_store()
    return parser
