"""The client at the other end: whether it is still there."""

from __future__ import annotations

from litestar.types import Receive


async def disconnected(receive: Receive) -> None:
    """Returns when the client has gone. To be awaited after the body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
