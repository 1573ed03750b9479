"""Commands about models: `/show`, `/load`, `/save`, `/list`."""

from __future__ import annotations

from service.cli.chat.session import Session
from service.cli.client.service import Service
from service.cli.description import sections
from service.cli.errors import CommandError
from service.cli.list_models import print_models
from service.cli.models import found
from service.cli.show import PARTS, text_of
from service.modelfile.printing import parameters_text
from service.store.changes import create_model
from service.store.overrides import Overrides
from service.store.packages import Store


def show_command(store: Store, session: Session, part: str) -> None:
    """Raises CommandError for what there is not."""
    package = found(store, session.model)
    if part == "info":
        print("\n".join(sections(package, verbose=False)))
    elif part == "parameters":
        _show_parameters(session, text_of(store, package, part, none="none"))
    elif part == "system" and session.system is not None:
        print(session.system)
    elif part in PARTS:
        print(text_of(store, package, part))
    else:
        raise CommandError(f"there is nothing called {part[:40]!r} to show; /? show lists what is")


def load_command(service: Service, session: Session, name: str) -> None:
    """Raises ModelNotFound, and then the conversation goes on as it was."""
    if not name:
        raise CommandError("usage: /load MODEL")
    service.describe(name)
    session.model = name
    session.turns.clear()
    print(f"Loading model '{name}'")


def save_command(store: Store, session: Session, name: str) -> None:
    """Raises CommandError, or as `create_model` does."""
    if not name:
        raise CommandError("usage: /save MODEL")
    said = Overrides(
        parameters=session.parameters, system=session.system, messages=tuple(session.turns)
    )
    create_model(store, name, str(found(store, session.model).name), said)
    print(f"Created new model '{name}'")


def list_command(store: Store) -> None:
    print_models(store.packages())


def _show_parameters(session: Session, of_model: str) -> None:
    print(f"Model defined parameters:\n{_indented(of_model)}")
    own = parameters_text(session.parameters)
    if own:
        print(f"\nUser defined parameters:\n{_indented(own)}")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
