"""Models that are not in the store yet: exported, or copied from elsewhere, and given overrides."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from service.cli.errors import CommandError, Told
from service.export_process import export_output
from service.store.aside import store_aside
from service.store.changes import adopt_package
from service.store.importing import import_package
from service.store.names import ModelName
from service.store.overrides import NO_OVERRIDES, Overrides
from service.store.packages import AnyPackage, Store


class Exported(msgspec.Struct):
    """What an export says of the package it made; `verification` for people."""

    name: str
    precision: str
    folder: str
    verification: str


def export_model(store: Store, source: str, flags: Sequence[str] = ()) -> Exported:
    """Fetches and exports `source`, as `python -m export` with `flags` does, showing its progress.

    Raises Told.
    """
    status, output = export_output([source, "--models", str(store.root), "--json", *flags])
    if status:
        raise Told(status)
    return msgspec.json.decode(output, type=Exported)


def export_as(
    store: Store, target: str, source: str, overrides: Overrides, flags: Sequence[str] = ()
) -> AnyPackage:
    """Exports `source` as `target`, with `overrides`. Raises Told, or as `create_model` does."""

    def export(place: Store, name: str) -> None:
        export_model(place, source, ["--name", name, *flags])

    return _made(store, target, overrides, export)


def import_as(store: Store, target: str, folder: Path, overrides: Overrides) -> AnyPackage:
    """Copies the package in `folder` as `target`, with `overrides`.

    Raises CommandError, PackageCorrupt, or as `create_model` does.
    """

    def copy(place: Store, name: str) -> None:
        try:
            import_package(place, folder, name, _say_waiting)
        except OSError as error:
            raise CommandError(f"{folder} was not copied: {error.strerror or error}") from None

    return _made(store, target, overrides, copy)


def checked_name(text: str) -> ModelName:
    """Raises CommandError for what cannot name a model."""
    try:
        return ModelName.parse(text)
    except ValueError as error:
        raise CommandError(f"{text[:80]!r} cannot name a model: {error}") from None


def _made(
    store: Store, target: str, overrides: Overrides, make: Callable[[Store, str], None]
) -> AnyPackage:
    """What `target` was stands until the package is there and the overrides fit it."""
    name = str(checked_name(target))
    if overrides == NO_OVERRIDES:
        make(store, name)
        return store.find(name)
    with store_aside(store) as place:
        make(place, name)
        return adopt_package(store, name, place.find(name), overrides)


def _say_waiting() -> None:
    print("waiting: another process makes a model of that name", file=sys.stderr)
