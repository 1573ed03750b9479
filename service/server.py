"""The server process: its socket, its signals, its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from dataclasses import replace
from types import FrameType

import uvicorn
from litestar import Litestar

from service.api.state import held_pool, held_startup_failure
from service.errors import StartupError
from service.http_protocol import DeadlineProtocol
from service.inherited import inherited_socket
from service.service_manager import tell_ready
from service.settings import Settings
from service.succession import Succession, tell_predecessor

_log = logging.getLogger(__name__)

_MAX_HEADER_BYTES = 64 * 1024
_KEEP_ALIVE_S = 30
_BACKLOG = 2048
CLOSING_S = 5
"""What ended streams get to say so, after the time to finish is over."""
_LAST_REQUESTS_S = 1
"""What connections that were accepted last get to send their request, before idle ones are closed
in favour of a successor."""


_SWITCH_INTERVAL_S = 0.0002
"""How long a thread that computes in Python may keep the interpreter from the engine's, which needs
it several times a step. With Python's own 5 ms a stream beside schemas that are being refused has
1.6 times the interval between its tokens, with this 1.3 times; what a token costs is the same."""


def bound_socket(settings: Settings) -> socket.socket:
    """A socket that listens already, so that nobody else gets the port while models are made: the
    one that a service manager has handed over, whose address then counts, or a new one.

    Raises StartupError.
    """
    inherited = inherited_socket(os.environ)
    if inherited is not None:
        return _checked(inherited, settings)
    shown = f"{settings.host}:{settings.port}"
    try:
        family, address = _resolved(settings.host, settings.port)
        # asyncio turns off Nagle's delays only for sockets that say they are TCP: without it, small
        # writes wait up to 40 ms for a client's acknowledgement of the one before.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise StartupError(f"cannot listen on {shown}: {error.strerror}") from None
    except UnicodeError:
        raise StartupError(f"cannot listen on {shown}: that is no host name") from None
    # On Windows SO_REUSEADDR would let two servers share the port.
    if sys.platform == "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StartupError(
            f"cannot listen on {shown}: {error.strerror}. Is a server running there already? "
            "Another port can be chosen with --port."
        ) from None
    return listener


def _checked(inherited: socket.socket, settings: Settings) -> socket.socket:
    """Raises StartupError where others reach the address, and settings say nothing of that."""
    host = str(inherited.getsockname()[0])
    actual = replace(settings, host=host)
    if not actual.is_loopback and settings.is_loopback and not settings.allow_public:
        inherited.close()
        raise StartupError(
            f"the socket that was handed over listens on {host}, which others reach: --host has "
            "to say so too"
        )
    return inherited


def serve(settings: Settings, app: Litestar, listener: socket.socket) -> None:
    """Serves until a signal ends it. Raises what the application failed to start with."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    make_server(settings, app).run([listener])


def make_server(settings: Settings, app: Litestar) -> Server:
    """A server that is not running yet."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=DeadlineProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level=logging.CRITICAL,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.drain_timeout_s) + CLOSING_S,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
    )
    return Server(config, app, settings)


class Server(uvicorn.Server):
    """A first signal lets running answers finish, for a while; a second ends the process."""

    def __init__(self, config: uvicorn.Config, app: Litestar, settings: Settings) -> None:
        super().__init__(config)
        self._app = app
        self._settings = settings
        self._succession: Succession | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            # uvicorn has only a traceback to show; its logger is silent until now for that.
            failure = held_startup_failure(self._app)
            assert failure is not None
            raise failure from None
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        for listener in sockets or ():
            self._succession = Succession(listener, self._leave)
            self._succession.watch()
            # Whoever reads this may send the signal at once.
            _log_start(self._app, self._settings, listener)
        match tell_predecessor(os.environ):
            case None:
                tell_ready()
            case False:
                _log.error("who started this process to succeed it is gone")
                self.should_exit = True

    async def _leave(self) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(_LAST_REQUESTS_S)
        self.should_exit = True

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Unlike uvicorn's own, leaves the exit status 0: being stopped is no failure."""
        if self.should_exit:
            os._exit(128 + signal.Signals(sig))
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _log.info("stopping; running answers have %g s to finish", self._settings.drain_timeout_s)
        held_pool(self._app).drain()
        ending = asyncio.create_task(self._end_late_answers())
        succession = asyncio.create_task(self._end_successor())
        try:
            await super().shutdown(sockets)
        finally:
            ending.cancel()
            await succession

    async def _end_successor(self) -> None:
        if self._succession is not None:
            await self._succession.end()

    async def _end_late_answers(self) -> None:
        await asyncio.sleep(self._settings.drain_timeout_s)
        await held_pool(self._app).close()


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """The first address of `host`, an IPv4 one if it has both kinds."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    return family, (str(address[0]), int(address[1]))


def _log_start(app: Litestar, settings: Settings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    pool = held_pool(app)
    names = ", ".join(str(package.name) for package in pool.installed())
    _log.info("models: %s, in %s", names or "none", settings.models_folder)
    _log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
