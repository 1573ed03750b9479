"""A service of this process's own, for a chat where none is running."""

from __future__ import annotations

import dataclasses
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep

from service.cli.client.connection import Address
from service.settings import Settings

_CHECKS_PER_S = 100


@contextmanager
def private_service(settings: Settings) -> Iterator[Address]:
    """Serves the store of `settings` on a port that nobody else knows the key for, on a thread, to
    this machine alone whatever address they name.

    Raises StartupError.
    """
    # Imported here: ONNX Runtime takes its time, and a service elsewhere does without it.
    from service.app import create_app  # noqa: PLC0415
    from service.pool import ModelPool  # noqa: PLC0415
    from service.runtime.providers import choose_device  # noqa: PLC0415
    from service.server import bound_socket, make_server  # noqa: PLC0415

    key = secrets.token_urlsafe()
    own = dataclasses.replace(
        settings,
        host="127.0.0.1",
        port=0,
        api_keys=(key,),
        export_default=False,
        preload=(),
        drain_timeout_s=0,
    )
    device = choose_device(own.device)
    with bound_socket(own) as listener:
        server = make_server(own, create_app(own, lambda settings: ModelPool(settings, device)))
        failures: list[BaseException] = []

        def serve() -> None:
            try:
                server.run([listener])
            except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
                failures.append(error)

        thread = threading.Thread(target=serve, name="private-service")
        thread.start()
        try:
            while not server.started and thread.is_alive():
                sleep(1 / _CHECKS_PER_S)
            if failures:
                raise failures[0]
            yield Address("127.0.0.1", listener.getsockname()[1], api_key=key)
        finally:
            server.should_exit = True
            thread.join()
