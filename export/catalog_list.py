"""The catalogue for those who read it: a table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from export.catalog import Catalog, Entry, PypiFolderLocation, PypiLocation
from export.supported import refusal

_HEAD = ("NAME", "SHORT", "SIZE", "KIND", "TOOLS", "LICENCE", "WEIGHTS", "NOT SUPPORTED, SINCE")


class _Listed(msgspec.Struct, frozen=True):
    """A row as JSON; `reason` says why it cannot be exported, null where it can."""

    short: str | None
    license_url: str
    reason: str | None


def render_list(catalog: Catalog) -> str:
    """A row a line; the last column says what cannot be exported, and why."""
    rows = [_HEAD, *map(_row, catalog.entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(_table_row(row, widths) for row in rows)


def render_json(catalog: Catalog) -> str:
    """All that the catalogue knows, a list of objects."""
    listed = [
        msgspec.to_builtins(entry)
        | msgspec.to_builtins(
            _Listed(
                short=entry.family if entry.default else None,
                license_url=catalog.licenses[entry.license],
                reason=refusal(entry),
            )
        )
        for entry in catalog.entries
    ]
    return msgspec.json.format(msgspec.json.encode(listed), indent=2).decode()


def size_of(entry: Entry) -> str:
    """The number of weights as models are named by: 135M, 3.2B."""
    millions = entry.parameters / 1e6
    if millions < 1000:
        return f"{millions:.0f}M"
    return f"{millions / 1000:.1f}B" if millions < 10_000 else f"{millions / 1000:.0f}B"


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.name,
        entry.family if entry.default else "",
        size_of(entry),
        f"{entry.kind}, thinks" if entry.thinking else entry.kind,
        entry.tools or "",
        f"{entry.license} (gated)" if entry.gated else entry.license,
        _location(entry),
        refusal(entry) or "",
    )


def _table_row(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _location(entry: Entry) -> str:
    source = entry.source
    if isinstance(source, PypiLocation | PypiFolderLocation):
        return f"PyPI {source.distribution} {source.version}"
    return f"hf.co/{source.repo}" + (f":{source.file}" if source.file else "")
