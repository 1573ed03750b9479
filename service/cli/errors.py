"""What a verb may end in beside the service's own errors.

CommandError          1  it could not be done; the text says what to do
├── WrongUsage        2  the command line is not understood
├── NoServer          1  nothing answers where a running service is needed
├── Refused           1  the service says that it was asked for something wrong
└── Told                 what an export ended with, which has said why
"""

from __future__ import annotations

from service.errors import RetortError


class CommandError(RetortError):
    """`exit_status` is what the process ends with; the message is one line for standard error."""

    exit_status = 1


class WrongUsage(CommandError):
    exit_status = 2


class NoServer(CommandError):
    pass


class Refused(CommandError):
    pass


class Told(CommandError):
    """Another program has said already what is wrong; `exit_status` is its own."""

    def __init__(self, exit_status: int) -> None:
        super().__init__("")
        self.exit_status = exit_status
