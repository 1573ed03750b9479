"""Reading all of a store, to the last byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.errors import PackageCorrupt, RetortError
from service.store.integrity import check_hashes, check_sizes
from service.store.names import ModelName
from service.store.packages import AnyPackage, Store


@dataclass(frozen=True, slots=True)
class Verified:
    """`problem` says what is wrong with a model, in a line that names the file; None if nothing."""

    name: ModelName
    problem: str | None = None


def verify_store(store: Store) -> Iterator[Verified]:
    """Every model in turn. A package with several names is read once."""
    problems: dict[Path, str | None] = {}
    for name in store.names():
        yield _verified(store, name, problems)


def verify_model(store: Store, text: str) -> Verified:
    """One model. Raises ModelNotFound."""
    try:
        name = store.find(text).name
    except PackageCorrupt as error:
        return Verified(ModelName.parse(text), error.message)
    return _verified(store, name, {})


def _verified(store: Store, name: ModelName, problems: dict[Path, str | None]) -> Verified:
    try:
        package = store.find(str(name))
    except RetortError as error:
        return Verified(name, error.message)
    if package.folder not in problems:
        problems[package.folder] = _problem(package)
    return Verified(name, problems[package.folder])


def _problem(package: AnyPackage) -> str | None:
    try:
        check_sizes(package)
        check_hashes(package)
    except PackageCorrupt as error:
        return error.message
    return None
