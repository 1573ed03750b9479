"""The table of request fields as it stands in the README."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from service.api.openai.fields import CHAT, COMPLETION, AnyValue, Honoured, OneOf, Treatment


def field_table() -> str:
    """Markdown: a row for each field of chat completions and completions, honoured ones first."""
    rows = [
        "| field | chat | completions | |",
        "|---|---|---|---|",
        *_rows({**CHAT, **COMPLETION}),
    ]
    return "\n".join(rows)


def _rows(fields: Mapping[str, Treatment]) -> Iterator[str]:
    for name in sorted(fields, key=lambda name: (_rank(fields[name]), name)):
        chat, completion = CHAT.get(name), COMPLETION.get(name)
        notes = dict.fromkeys(_note(each) for each in (chat, completion) if each is not None)
        note = "; ".join(filter(None, notes))
        yield f"| `{name}` | {_mark(chat)} | {_mark(completion)} | {note} |"


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
    print(field_table())  # noqa: T201
