"""The tables of request fields as they stand in the README."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from service.api.anthropic.fields import MESSAGES
from service.api.ollama import fields as ollama
from service.api.openai.encoder_fields import EMBEDDING, RERANK
from service.api.openai.fields import CHAT, COMPLETION, AnyValue, Honoured, OneOf, Treatment
from service.api.openai.responses.fields import RESPONSES

Columns: TypeAlias = Mapping[str, Mapping[str, Treatment]]

TABLES: Final[tuple[Columns, ...]] = (
    {"chat": CHAT, "completions": COMPLETION},
    {"responses": RESPONSES, "messages": MESSAGES},
    {"embeddings": EMBEDDING, "rerank": RERANK},
    {"/api/chat": ollama.CHAT, "/api/generate": ollama.GENERATE},
    {"/api/embed": ollama.EMBED, "/api/embeddings": ollama.EMBEDDINGS},
    {
        "/api/create": ollama.CREATE,
        "/api/pull": ollama.PULL,
        "/api/show": ollama.SHOW,
        "/api/delete": ollama.DELETE,
        "/api/copy": ollama.COPY,
    },
)


def field_table(columns: Columns) -> str:
    """Markdown: a row for each field of these endpoints, honoured ones first."""
    fields = {name: done for table in columns.values() for name, done in table.items()}
    head = [f"| field | {' | '.join(columns)} | |", "|---|" + "---|" * (len(columns) + 1)]
    names = sorted(fields, key=lambda name: (_rank(fields[name]), name))
    rows = [_row(name, [table.get(name) for table in columns.values()]) for name in names]
    return "\n".join([*head, *rows])


def _row(name: str, treatments: list[Treatment | None]) -> str:
    notes = dict.fromkeys(_note(each) for each in treatments if each is not None)
    marks = " | ".join(map(_mark, treatments))
    return f"| `{name}` | {marks} | {'; '.join(filter(None, notes))} |"


def _rank(treatment: Treatment) -> int:
    return (Honoured, AnyValue, OneOf).index(type(treatment))


def _mark(treatment: Treatment | None) -> str:
    match treatment:
        case None:
            return "–"
        case Honoured():
            return "yes"
        case AnyValue():
            return "no effect"
        case OneOf():
            return "refused"


def _note(treatment: Treatment) -> str:
    match treatment:
        case Honoured(note):
            return note
        case AnyValue():
            return "any value is accepted"
        case OneOf(values):
            shown = ", ".join(f"`{msgspec.json.encode(value).decode()}`" for value in values)
            return f"but for null{f', {shown}' if shown else ''}"


if __name__ == "__main__":
    print(*map(field_table, TABLES), sep="\n\n")  # noqa: T201
