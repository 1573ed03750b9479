"""Lines that begin with a slash: what they are called, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.cli.chat.session import Session
from service.cli.chat.settings import set_command
from service.cli.chat.stored import list_command, load_command, save_command, show_command
from service.cli.client.service import Service
from service.cli.errors import CommandError
from service.store.packages import Store


class EndOfChat(Exception):
    """`/bye`"""


@dataclass(frozen=True, slots=True)
class Chat:
    """What commands work on. `store` is that of this machine."""

    session: Session
    service: Service
    store: Store


Command = Callable[[Chat, str], None]

HELP = '''\
Available commands:
  /set            Set session variables (/? set)
  /show           Show model information (/? show)
  /load MODEL     Load a model; the conversation begins anew
  /save MODEL     Save the session as a model
  /clear          Forget the conversation
  /list           List the models
  /bye            Exit, as Ctrl-D does
  /?, /help       Help for a command

Use """ to begin and to end a message of several lines. Ctrl-C ends an answer.'''

_HELP_OF_SET = """\
  /set parameter NAME VALUE   Set a parameter: /set parameter temperature 0.2
  /set system TEXT            Set the system message
  /set history | nohistory    Remember what is typed, or not
  /set wordwrap | nowordwrap  Break lines between words, or not
  /set format json | SCHEMA   Hold answers to JSON
  /set noformat               Let answers be any text
  /set verbose | quiet        Show how fast answers were, or not
  /set think [LEVEL]          Let the model think before it answers
  /set nothink                Have it answer at once"""

_HELP_OF_SHOW = """\
  /show info        Show what the model is
  /show license     Show its licence
  /show modelfile   Show a Modelfile that makes it
  /show parameters  Show its parameters, and those of this session
  /show system      Show the system message
  /show template    Show its prompt template"""


def obey(chat: Chat, line: str) -> None:
    """Does what the line says. Raises EndOfChat, CommandError, and what the store and the service
    raise."""
    name, _, rest = line.partition(" ")
    command = _COMMANDS.get(name)
    if command is None:
        raise CommandError(f"unknown command {name[:40]!r}; /? lists those there are")
    command(chat, rest.strip())


def _set(chat: Chat, rest: str) -> None:
    if not rest:
        print(_HELP_OF_SET)
        return
    set_command(chat.session, rest)


def _show(chat: Chat, rest: str) -> None:
    if not rest:
        print(_HELP_OF_SHOW)
        return
    show_command(chat.store, chat.session, rest)


def _load(chat: Chat, rest: str) -> None:
    load_command(chat.service, chat.session, rest)


def _save(chat: Chat, rest: str) -> None:
    save_command(chat.store, chat.session, rest)


def _clear(chat: Chat, _rest: str) -> None:
    chat.session.turns.clear()
    print("Cleared session context")


def _list(chat: Chat, _rest: str) -> None:
    list_command(chat.store)


def _bye(_chat: Chat, _rest: str) -> None:
    raise EndOfChat


def _help(_chat: Chat, rest: str) -> None:
    known = {"set": _HELP_OF_SET, "show": _HELP_OF_SHOW}
    print(known.get(rest.removeprefix("/"), HELP))


_COMMANDS: Mapping[str, Command] = {
    "/set": _set,
    "/show": _show,
    "/load": _load,
    "/save": _save,
    "/clear": _clear,
    "/list": _list,
    "/bye": _bye,
    "/exit": _bye,
    "/?": _help,
    "/help": _help,
}
