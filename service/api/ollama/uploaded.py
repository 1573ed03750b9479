"""Models that are made of an uploaded file."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from service.api.ollama.model_schema import Progress
from service.api.ollama.pull import told
from service.api.threads import in_thread
from service.errors import (
    BlobNotFound,
    ExportFailed,
    RequestError,
    UnsupportedParameter,
)
from service.exporting import ExportJob, Exports
from service.store.names import ModelName
from service.store.packages import AnyPackage, Store


def uploaded_gguf(store: Store, files: Mapping[str, str]) -> str:
    """The digest of the one GGUF file that `files` names. Raises RequestError, BlobNotFound."""
    # Imported here: only what changes a store needs its locks.
    from service.store.blobs import holds, is_gguf, parse_digest  # noqa: PLC0415

    if len(files) != 1:
        raise UnsupportedParameter(
            "A model is made of one GGUF file, not of several.", param="files"
        )
    ((name, given),) = files.items()
    param = f"files.{name[:80]}"
    if "." in name and not name.lower().endswith((".gguf", ".bin")):
        raise _no_gguf(param)
    try:
        digest = parse_digest(given)
    except RequestError as error:
        raise RequestError(error.message, param=param, code=error.code) from None
    if not holds(store.layout, digest):
        raise BlobNotFound(f"The blob 'sha256:{digest}' is not here; upload it first.", param=param)
    if not is_gguf(store.layout, digest):
        raise _no_gguf(param)
    return digest


async def made_of_upload(
    store: Store, exports: Exports, digest: str, device: str, make: Callable[[AnyPackage], None]
) -> AsyncGenerator[Progress, None]:
    """Exports the blob where nobody finds it, gives the package to `make`, and drops the blob then.

    Raises as `Exports.follow` and `make` do; what there was before then stands, and the blob too.
    """
    # Imported here: only what changes a store needs its locks.
    from service.store.aside import store_aside  # noqa: PLC0415
    from service.store.blobs import borrowed, drop  # noqa: PLC0415

    name = f"upload-{secrets.token_hex(6)}"
    async with (
        in_thread(borrowed(store.layout, digest)) as path,
        in_thread(store_aside(store)) as place,
    ):
        source = str(path.resolve())
        job = ExportJob(source, ModelName.parse(name), device, place.root)
        try:
            async with aclosing(exports.follow(job)) as steps:
                async for step in steps:
                    yield told(step)
            yield Progress("writing manifest")
            await asyncio.to_thread(lambda: make(place.find(name)))
        except ExportFailed as error:
            # Where the store lies is not a client's to know.
            raise ExportFailed(error.message.replace(source, "The file")) from None
    await asyncio.to_thread(drop, store.layout, digest)


def _no_gguf(param: str) -> UnsupportedParameter:
    return UnsupportedParameter("A model is made of a GGUF file, which this is not.", param=param)
