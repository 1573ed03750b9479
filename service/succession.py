"""A successor that takes over the socket: on SIGHUP, where there is such a signal.

It is started with our command line and environment and gets the socket as a service manager would
hand it over. Both accept until it has said, on a pipe, that it serves; only then do we leave.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Final

from service.service_manager import tell_ready, tell_reloading, tell_successor

_log = logging.getLogger(__name__)

START_LIMIT_S: Final = 300
"""What a successor gets to start, exporting a default model included; we serve meanwhile."""
_END_LIMIT_S: Final = 5
_POLL_S: Final = 0.02
_LISTENER: Final = 3
_READY: Final = 4
_PREDECESSOR_WAITS: Final = "SUCCESSOR_PID"
_START: Final = f'export LISTEN_PID=$$ {_PREDECESSOR_WAITS}=$$; exec "$@"'
"""Only the process itself knows its id before its program runs."""


def tell_predecessor(environment: MutableMapping[str, str]) -> bool | None:
    """Says that we serve to who started us to succeed it. None if nobody did, False if it is gone
    already. The variable is taken out of `environment`."""
    if environment.pop(_PREDECESSOR_WAITS, "") != str(os.getpid()):
        return None
    try:
        os.write(_READY, b"1")
    except OSError:
        return False
    finally:
        with suppress(OSError):
            os.close(_READY)
    return True


class Succession:
    """Hands `listener` over at most once. `leave` is awaited when a successor serves."""

    def __init__(
        self,
        listener: socket.socket,
        leave: Callable[[], Awaitable[None]],
        limit_s: float = START_LIMIT_S,
    ) -> None:
        self._listener = listener
        self._leave = leave
        self._limit_s = limit_s
        self._task: asyncio.Task[None] | None = None
        self._is_over = False

    def watch(self) -> None:
        """From now on SIGHUP starts a successor; but where a terminal that closes, or nohup, gives
        the signal another meaning."""
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGHUP) != signal.SIG_DFL or _has_terminal():
            return
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.begin)

    def begin(self) -> None:
        if self._is_over or (self._task is not None and not self._task.done()):
            _log.info("no second successor is started: one is on its way, or this process stops")
            return
        self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        """Ends a successor that does not serve yet; none is started from now on."""
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        tell_reloading()
        try:
            process_id = await self._started()
        except (OSError, _NoSuccessor) as error:
            _log.error("no successor: %s; this process goes on", error)
            tell_ready()
            return
        self._is_over = True
        _log.info("process %d serves; this one accepts no more", process_id)
        tell_successor(process_id)
        await self._leave()

    async def _started(self) -> int:
        reading, writing = os.pipe()
        try:
            try:
                process_id = _spawn(self._listener.fileno(), writing)
            finally:
                os.close(writing)
            _log.info("starting process %d to take over", process_id)
            serves = False
            try:
                await _ready(reading, self._limit_s)
                serves = True
            finally:
                if not serves:
                    await _end(process_id)
        finally:
            os.close(reading)
        return process_id


class _NoSuccessor(Exception):
    """Why none took over."""


def _spawn(listener: int, writing: int) -> int:
    """The id of the new process. Raises OSError."""
    if sys.platform == "win32":
        raise OSError("there is no such thing here")
    # Through numbers that neither has, so that no copy overwrites what is still to be copied.
    free = max(listener, writing, _READY) + 1
    actions = [
        (os.POSIX_SPAWN_DUP2, listener, free),
        (os.POSIX_SPAWN_DUP2, writing, free + 1),
        (os.POSIX_SPAWN_DUP2, free, _LISTENER),
        (os.POSIX_SPAWN_DUP2, free + 1, _READY),
        (os.POSIX_SPAWN_CLOSE, free),
        (os.POSIX_SPAWN_CLOSE, free + 1),
    ]
    command = ["/bin/sh", "-c", _START, "sh", sys.executable, *sys.orig_argv[1:]]
    environment = {**os.environ, "LISTEN_FDS": "1"}
    return os.posix_spawn(command[0], command, environment, file_actions=actions)


async def _ready(reading: int, limit_s: float) -> None:
    """Raises _NoSuccessor for one that ends first, and for one that takes too long."""
    os.set_blocking(reading, False)
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            if os.read(reading, 1):
                return
            raise _NoSuccessor("it ended before it served, for what it says above")
        await asyncio.sleep(_POLL_S)
    raise _NoSuccessor(f"it did not serve within {limit_s:g} s")


async def _end(process_id: int) -> None:
    """Lets it end what it has started itself, for a while."""
    os.kill(process_id, signal.SIGTERM)
    deadline = time.monotonic() + _END_LIMIT_S
    while os.waitpid(process_id, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(process_id, signal.SIGKILL)
        await asyncio.sleep(_POLL_S)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
