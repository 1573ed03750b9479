"""What is done to the models of a store beside exporting them: copy, derive, remove.

All of it is small: no weights are copied, and a package is deleted only when no name is left that
needs it. Every function may be called from any thread and any process at any time. Each raises
RequestError for what cannot be done, ModelNotFound, PackageCorrupt or StoreFailure, and then has
changed nothing.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import ModelInUse, ModelNotFound, RequestError, StoreFailure
from service.store.deriving import check_overrides
from service.store.names import ModelName
from service.store.overrides import NO_OVERRIDES, Overrides
from service.store.packages import AnyPackage, Store
from service.store.record import Record, write_record
from service.store.replacing import changing, collect, park, put, take

_IS_WINDOWS = os.name == "nt"


def copy_model(store: Store, source: str, target: str) -> AnyPackage:
    """Gives a model another name, taking that from whatever had it; what the copy then found as
    `target` stays what it is, whatever becomes of `source`."""
    return create_model(store, target, source, NO_OVERRIDES)


def create_model(store: Store, target: str, base: str, overrides: Overrides) -> AnyPackage:
    """Makes the model `target` from `base`, with `overrides` over what `base` has already."""
    name = _parsed(target)
    with _failing_clearly(name), changing(store.layout):
        package = store.find(base)
        if package.name == name and overrides == NO_OVERRIDES:
            return package
        combined = overrides.over(package.overrides)
        check_overrides(package, combined)
        _put_record(store, name, _record(name, package, combined))
        collect(store.layout)
    return store.find(target)


def adopt_package(
    store: Store, target: str, package: AnyPackage, overrides: Overrides
) -> AnyPackage:
    """Makes the model `target` of a package in a store aside, which loses it, with `overrides`."""
    name = _parsed(target)
    with _failing_clearly(name), changing(store.layout):
        combined = overrides.over(package.overrides)
        check_overrides(package, combined)
        record = Record(
            name=str(name),
            created=int(time.time()),
            package=package.digest,
            home=str(name),
            parent=None,
            overrides=combined,
        )
        try:
            park(store.layout, package.folder, package.digest)
            _put_record(store, name, record)
        finally:
            collect(store.layout)
    return store.find(target)


def remove_model(store: Store, text: str) -> ModelName:
    """Takes the name away, and the package with it if that was the last; a damaged one too.

    On Linux a service that has it loaded goes on with it until it unloads it; Windows does not let
    go of files in use, so that there ModelInUse is raised.
    """
    name = _present(store, text)
    with _failing_clearly(name), changing(store.layout):
        if name not in store.names():
            raise _gone(name)
        take(store.layout, name)
        collect(store.layout)
    return name


def _record(name: ModelName, package: AnyPackage, overrides: Overrides) -> Record:
    known = package.record
    return Record(
        name=str(name),
        created=int(time.time()),
        package=package.digest,
        home=str(package.name) if known is None else known.home,
        parent=str(package.name),
        overrides=overrides,
    )


def _put_record(store: Store, name: ModelName, record: Record) -> None:
    folder = store.layout.new_record(name)
    folder.mkdir()
    try:
        write_record(folder, record)
        put(store.layout, name, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _present(store: Store, text: str) -> ModelName:
    """The name that `text` finds, though what it stands for may be damaged."""
    try:
        name = ModelName.parse(text)
    except ValueError:
        raise _gone(text[:200]) from None
    names = store.names()
    for candidate in (name, name.without_hub):
        if candidate in names:
            return candidate
    raise _gone(name)


def _gone(name: object) -> ModelNotFound:
    return ModelNotFound(f"The model {str(name)!r} does not exist here.", param="model")


def _parsed(text: str) -> ModelName:
    try:
        return ModelName.parse(text)
    except ValueError as error:
        raise RequestError(f"{text[:200]!r} cannot name a model: {error}.", param="model") from None


@contextmanager
def _failing_clearly(name: ModelName) -> Iterator[None]:
    """An OSError's own text tells the path, which is not a client's to know."""
    try:
        yield
    except FileExistsError as error:
        raise RequestError(f"{error.strerror}.".capitalize(), param="model") from error
    except PermissionError as error:
        if _IS_WINDOWS:
            raise ModelInUse(
                f"The files of model {name} are in use; stop it first.", param="model"
            ) from error
        raise _failure(name, error) from error
    except OSError as error:
        raise _failure(name, error) from error


def _failure(name: ModelName, error: OSError) -> StoreFailure:
    reason = error.strerror or str(error)
    return StoreFailure(f"The model {name} was left as it is: {reason}.")
