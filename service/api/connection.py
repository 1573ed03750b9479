"""The client at the other end: whether it is still there."""

from __future__ import annotations

from typing import Final

from litestar.types import Receive

CLIENT_GONE: Final = 499
"""The status of a request whose client left before it got one; proxies log that number."""


async def disconnected(receive: Receive) -> None:
    """Returns when the client has gone. To be awaited after the body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
