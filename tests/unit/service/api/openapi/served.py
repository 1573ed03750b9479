"""The application over HTTP, in a thread: for clients that know nothing of asyncio."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from service import http_protocol
from service.api.facade import Pool
from service.app import create_app
from service.server import Server, bound_socket
from service.settings import Settings


@contextmanager
def served(settings: Settings, open_pool: Callable[[Settings], Pool]) -> Iterator[str]:
    """The base URL of a server of the pool, on a port of its own."""
    settings = dataclasses.replace(settings, port=0, drain_timeout_s=0)
    app = create_app(settings, open_pool)
    config = uvicorn.Config(
        app, http=http_protocol.DeadlineProtocol, ws="none", lifespan="on", log_config=None
    )
    with bound_socket(settings) as listener:
        server = Server(config, app, settings)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
