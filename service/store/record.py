"""A record: a name for a package that lies elsewhere, and what holds over it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from service.store.manifest import Sha256
from service.store.overrides import Overrides

RECORD_NAME = "model.json"


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`package` is the sha256 of the package's manifest, `home` the name it lay under when the
    record was made, `parent` the model that was copied or named by FROM, None if that named
    weights. `created` is in seconds since the epoch.
    """

    name: str
    created: int
    package: Sha256
    home: str
    parent: str | None
    overrides: Overrides = Overrides()
    format: Literal[1] = 1


def read_record(folder: Path) -> Record:
    """Raises OSError if there is none, ValueError (one line) if it is not one of this version."""
    raw = (folder / RECORD_NAME).read_bytes()
    try:
        return msgspec.json.decode(raw, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "".join(c if c.isprintable() else " " for c in str(error))
        raise ValueError(f"its {RECORD_NAME} is malformed: {reason}") from error


def write_record(folder: Path, record: Record) -> None:
    encoded = msgspec.json.format(msgspec.json.encode(record), indent=2)
    (folder / RECORD_NAME).write_bytes(encoded + b"\n")


def digest_of(manifest: bytes) -> str:
    """What records call the package with this manifest."""
    return hashlib.sha256(manifest).hexdigest()
