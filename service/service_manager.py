"""What a service manager is told of us, in systemd's words (sd_notify)."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import suppress
from typing import Final

_VARIABLE: Final = "NOTIFY_SOCKET"


def tell_ready() -> None:
    """That we serve, or go on to."""
    _tell("READY=1")


def tell_reloading() -> None:
    """That a successor starts; the manager waits until it hears that one of us is ready."""
    _tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def tell_successor(process_id: int) -> None:
    """That another process is the service now. Nothing that we say afterwards is listened to."""
    _tell(f"MAINPID={process_id}\nREADY=1")


def _tell(message: str) -> None:
    """Nothing without a manager that listens; one that went away is no reason to fail."""
    address = os.environ.get(_VARIABLE, "")
    if sys.platform == "win32" or not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(address)
        manager.send(message.encode())
