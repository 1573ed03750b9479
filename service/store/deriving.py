"""What a package can be asked for beyond what it says itself, stored under a name or not."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from service.errors import RequestError
from service.store.overrides import NO_OVERRIDES, Overrides
from service.store.packages import EncoderPackage, Package, check_context
from service.store.record import Record

PackageT = TypeVar("PackageT", Package, EncoderPackage)

_OF_ENCODERS = ("num_ctx", "num_batch", "use_mmap")
_OF_DIALOGUES = ("system", "template", "messages")


def derived(package: PackageT, overrides: Overrides) -> PackageT:
    """The package as a model made from it with `overrides` would have it, which nothing stores.

    Raises RequestError for what it cannot be asked for.
    """
    if overrides == NO_OVERRIDES:
        return package
    combined = overrides.over(package.overrides)
    check_overrides(package, combined)
    name = str(package.name)
    record = Record(
        name=name,
        created=package.created,
        package=package.digest,
        home=name if package.record is None else package.record.home,
        parent=name,
        overrides=combined,
    )
    return replace(package, record=record)


def check_overrides(package: Package | EncoderPackage, overrides: Overrides) -> None:
    """Raises RequestError for what a package cannot be asked for."""
    try:
        check_context(overrides.parameters.num_ctx, package.manifest)
    except ValueError as error:
        raise RequestError(f"{error}.", param="num_ctx") from None
    if isinstance(package, EncoderPackage):
        said = [name for name in overrides.parameters.named() if name not in _OF_ENCODERS]
        said += [name for name in _OF_DIALOGUES if getattr(overrides, name)]
        if said:
            raise RequestError(
                f"The model {package.name} generates no text: {said[0]} has no meaning for it.",
                param=said[0],
            )
