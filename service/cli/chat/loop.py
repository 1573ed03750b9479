"""A conversation: messages and commands in turn, until it is left."""

from __future__ import annotations

import sys

from service.cli.chat.answering import answer
from service.cli.chat.commands import Chat, EndOfChat, obey
from service.cli.chat.lines import EndOfInput, read_message, remembered_lines
from service.errors import RetortError

_LEAVING = "\nUse Ctrl + d or /bye to exit."


def converse(chat: Chat) -> None:
    """Until Ctrl-D or `/bye`. What goes wrong with one message is told, and the next is read."""
    print("Send a message (/? for help)")
    with remembered_lines(chat.session):
        while True:
            try:
                _turn(chat)
            except KeyboardInterrupt:
                print(_LEAVING)
            except RetortError as error:
                print(f"Error: {error.message}", file=sys.stderr)
            except EndOfInput:
                print()
                return
            except EndOfChat:
                return


def _turn(chat: Chat) -> None:
    message = read_message()
    if message.startswith("/"):
        obey(chat, message.strip())
    elif message.strip():
        answer(chat.service, chat.session, message)
        print()
