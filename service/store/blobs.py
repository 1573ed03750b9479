"""Files that clients have uploaded, each known by the sha256 of what it holds.

One that a model was made of is dropped; one that none was made of is swept a day later, by the next
change of the store. Every function may be called from any thread and any process at any time.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from service.errors import RequestError, StoreFailure
from service.store.aside import folder_aside
from service.store.files import move, sync
from service.store.layout import Layout

GGUF_MAGIC: Final = b"GGUF"

_DIGEST: Final = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")


def parse_digest(text: str) -> str:
    """The hexadecimal digits of `sha256:…`, in lower case. Raises RequestError."""
    found = _DIGEST.fullmatch(text)
    if found is None:
        raise RequestError(
            f"The digest {text[:80]!r} is not 'sha256:' and 64 hexadecimal digits.",
            code="invalid_digest",
        )
    return found[1].lower()


def holds(layout: Layout, digest: str) -> bool:
    """Whether there is such a blob, which is then new again: who asks is about to use it."""
    try:
        os.utime(layout.blob(digest))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _failure(error) from error
    return True


def is_gguf(layout: Layout, digest: str) -> bool:
    """Raises StoreFailure if there is no such blob any more."""
    try:
        with layout.blob(digest).open("rb") as file:
            return file.read(len(GGUF_MAGIC)) == GGUF_MAGIC
    except OSError as error:
        raise _failure(error) from error


def drop(layout: Layout, digest: str) -> None:
    """What cannot be deleted yet is swept later."""
    with suppress(OSError):
        layout.blob(digest).unlink()


class IncomingBlob:
    """A blob while it is being written; nobody finds it before `finish`."""

    def __init__(self, layout: Layout, digest: str, path: Path, file: io.FileIO) -> None:
        self._layout = layout
        self._digest = digest
        self._path = path
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, chunk: bytes | bytearray) -> None:
        """Raises StoreFailure, for a full disk above all."""
        self._hash.update(chunk)
        try:
            rest = memoryview(chunk)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _failure(error) from error

    def finish(self) -> None:
        """Raises RequestError if what was written has another digest, or StoreFailure."""
        actual = self._hash.hexdigest()
        if actual != self._digest:
            raise RequestError(
                f"The file's digest is 'sha256:{actual}', not 'sha256:{self._digest}'.",
                code="digest_mismatch",
            )
        try:
            self._file.close()
            sync(self._path)
            target = self._layout.blob(self._digest)
            target.parent.mkdir(exist_ok=True)
            if not target.exists():
                move(self._path, target)
            sync(target.parent)
        except OSError as error:
            raise _failure(error) from error


@contextmanager
def incoming(layout: Layout, digest: str, num_bytes: int) -> Iterator[IncomingBlob]:
    """A blob to be written, of so many bytes as far as is known. Raises StoreFailure."""
    with _scratch(layout) as folder:
        free = shutil.disk_usage(folder).free
        if num_bytes > free:
            raise StoreFailure(
                f"The file was not kept: it has {num_bytes} bytes, and {free} are free."
            )
        path = folder / "blob"
        # Unbuffered: what a full disk has refused would be written once more at closing.
        file = io.FileIO(path, "x")
        try:
            yield IncomingBlob(layout, digest, path, file)
        finally:
            file.close()


@contextmanager
def borrowed(layout: Layout, digest: str) -> Iterator[Path]:
    """The blob as a `.gguf` file of its own, whatever becomes of the blob meanwhile; that takes no
    room where links work. Raises StoreFailure."""
    with _scratch(layout) as folder:
        path, blob = folder / "model.gguf", layout.blob(digest)
        try:
            try:
                path.hardlink_to(blob)
            except FileNotFoundError:
                raise
            except OSError:
                shutil.copyfile(blob, path)
        except OSError as error:
            raise _failure(error) from error
        yield path


@contextmanager
def _scratch(layout: Layout) -> Iterator[Path]:
    """An empty folder. Raises StoreFailure."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(folder_aside(layout))
        except OSError as error:
            raise _failure(error) from error
        yield folder


def _failure(error: OSError) -> StoreFailure:
    """An OSError's own text tells the path, which is not a client's to know."""
    return StoreFailure(f"The file was not kept: {error.strerror or 'its disk failed'}.")
