"""`retort list`: lists the models of the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from service.cli.arguments import VerbParser, store_of
from service.cli.models import full_name, modified, short_id
from service.cli.output import amount_of_bytes, print_json, print_table, since
from service.modelfile.capabilities import capabilities_of
from service.store.packages import AnyPackage


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """`size` counts bytes, which models with the same package share."""

    name: str
    digest: str
    size: int
    modified_at: datetime
    family: str
    precision: str
    context_length: int
    capabilities: tuple[str, ...]
    parent: str | None


class _Listing(msgspec.Struct, frozen=True):
    models: list[ListedModel]


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0."""
    options = parser().parse_args(arguments)
    prefix = (options.prefix or "").lower()
    packages = [
        package
        for package in store_of(options).packages()
        if full_name(package.name).startswith(prefix)
    ]
    if options.json:
        print_json(_Listing([_listed(package) for package in _newest_first(packages)]))
    else:
        print_models(packages)
    return 0


def print_models(packages: Sequence[AnyPackage]) -> None:
    """The table, newest first."""
    print_table(("name", "id", "size", "modified"), list(map(_row, _newest_first(packages))))


def parser() -> VerbParser:
    parser = VerbParser("list", __doc__)
    parser.add_argument("prefix", nargs="?", help="only models whose names begin so")
    parser.add_json()
    parser.add_store()
    return parser


def _newest_first(packages: Sequence[AnyPackage]) -> list[AnyPackage]:
    return sorted(packages, key=lambda package: package.created, reverse=True)


def _listed(package: AnyPackage) -> ListedModel:
    manifest = package.manifest
    asked = package.overrides.parameters.num_ctx
    return ListedModel(
        name=full_name(package.name),
        digest=package.id,
        size=manifest.weights_bytes,
        modified_at=modified(package),
        family=manifest.architecture.family,
        precision=manifest.precision,
        context_length=asked or manifest.context_length,
        capabilities=capabilities_of(package),
        parent=package.parent,
    )


def _row(package: AnyPackage) -> tuple[str, ...]:
    return (
        full_name(package.name),
        short_id(package.id),
        amount_of_bytes(package.manifest.weights_bytes),
        since(modified(package)),
    )
