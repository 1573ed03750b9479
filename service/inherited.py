"""The socket that a service manager listens on for us, so that nobody is refused while we restart.

systemd's convention (sd_listen_fds): `LISTEN_FDS` sockets from descriptor 3 on, for the process
that `LISTEN_PID` names. Connections that come between two processes wait in its queue.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Final

from service.errors import StartupError

_FIRST: Final = 3
_VARIABLES: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


def inherited_socket(environment: MutableMapping[str, str]) -> socket.socket | None:
    """The socket, None if there is none for us; its variables are taken out of `environment`, so
    that no process of ours takes it for its own.

    Raises StartupError for more sockets than one, and for one that does not listen to TCP.
    """
    given = {name: environment.pop(name, "") for name in _VARIABLES}
    if given["LISTEN_PID"] != str(os.getpid()) or given["LISTEN_FDS"] in {"", "0"}:
        return None
    if given["LISTEN_FDS"] != "1":
        raise StartupError(f"one socket can be taken over, not {given['LISTEN_FDS'][:20]}")
    os.set_inheritable(_FIRST, False)
    try:
        found = socket.socket(fileno=_FIRST)
    except OSError as error:
        raise StartupError(
            f"the socket that was handed over cannot be used: {error.strerror}"
        ) from None
    is_listening = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if found.family not in {socket.AF_INET, socket.AF_INET6} or not is_listening:
        raise StartupError("the socket that was handed over does not listen to TCP")
    # asyncio turns off Nagle's delays only for sockets that say they are TCP.
    return socket.socket(found.family, socket.SOCK_STREAM, socket.IPPROTO_TCP, found.detach())
