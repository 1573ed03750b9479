"""One answer, shown as it is made."""

from __future__ import annotations

import sys
from contextlib import closing

from service.cli.chat.screen import Screen
from service.cli.chat.session import Session
from service.cli.client.asking import Stats
from service.cli.client.service import Service
from service.store.overrides import Turn

_NS = 10**9


def answer(service: Service, session: Session, prompt: str) -> None:
    """Shows the answer to `prompt`, and makes both part of the conversation.

    Ctrl-C ends the answer; what there is of it stays. Raises what the service does, and then the
    conversation is what it was.
    """
    session.turns.append(Turn("user", prompt))
    screen = Screen.on_stdout(wraps=session.wraps, hides_thinking=session.hides_thinking)
    said: list[str] = []
    stats = None
    try:
        with closing(service.answer(session.ask())) as pieces:
            for piece in pieces:
                screen.think(piece.thought)
                screen.say(piece.text)
                said.append(piece.text)
                stats = piece.stats or stats
    except KeyboardInterrupt:
        if not session.is_interactive:
            raise
    except BaseException:
        session.turns.pop()
        raise
    screen.end()
    session.turns.append(Turn("assistant", "".join(said)))
    if stats is not None and session.verbose:
        print(rates(stats), file=sys.stderr)


def rates(stats: Stats) -> str:
    """The table that Ollama prints."""
    rows = [
        ("total duration", _duration(stats.total_ns)),
        ("load duration", _duration(stats.load_ns)),
        ("prompt eval count", f"{stats.prompt_tokens} token(s)"),
        ("prompt eval duration", _duration(stats.prompt_ns)),
        ("prompt eval rate", _rate(stats.prompt_tokens, stats.prompt_ns)),
        ("eval count", f"{stats.output_tokens} token(s)"),
        ("eval duration", _duration(stats.output_ns)),
        ("eval rate", _rate(stats.output_tokens, stats.output_ns)),
    ]
    return "\n".join(f"{name + ':':<21} {value}" for name, value in rows)


def _duration(ns: int) -> str:
    return f"{ns / _NS:.6g}s" if ns >= _NS else f"{ns / 1e6:.6g}ms"


def _rate(num_tokens: int, ns: int) -> str:
    return f"{num_tokens * _NS / ns:.2f} tokens/s" if ns else "-"
