"""HEAD and POST /api/blobs/:digest: files that models are then created from.

A blob is dropped once a model was made of it, and swept if that has not happened within a day.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from litestar import Response, get, post

from service.api.long_body import body_length, body_pieces
from service.api.state import HttpRequest, store_of
from service.api.threads import in_thread
from service.errors import BlobNotFound


@get("/api/blobs/{digest:str}")
async def find_blob(request: HttpRequest) -> Response[bytes]:
    """HEAD, that is: whether the file is here."""
    # Imported here: only what changes a store needs its locks.
    from service.store.blobs import holds, parse_digest  # noqa: PLC0415

    digest = parse_digest(str(request.path_params["digest"]))
    if not await asyncio.to_thread(holds, store_of(request).layout, digest):
        raise BlobNotFound(f"The blob 'sha256:{digest}' is not here.")
    return Response(b"", media_type="application/json")


@post("/api/blobs/{digest:str}")
async def upload_blob(request: HttpRequest) -> Response[bytes]:
    """201, or 200 if the file is here already. The body is hashed while it is written."""
    # Imported here: only what changes a store needs its locks.
    from service.store.blobs import holds, incoming, parse_digest  # noqa: PLC0415

    digest, layout = parse_digest(str(request.path_params["digest"])), store_of(request).layout
    async with aclosing(body_pieces(request.scope, request.receive)) as pieces:
        if await asyncio.to_thread(holds, layout, digest):
            async for _ in pieces:
                pass
            return Response(b"", status_code=200, media_type="application/json")
        async with in_thread(incoming(layout, digest, body_length(request.scope))) as blob:
            async for piece in pieces:
                await asyncio.to_thread(blob.write, piece)
            await asyncio.to_thread(blob.finish)
    return Response(b"", status_code=201, media_type="application/json")
