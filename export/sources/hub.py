"""Weights from a repository of a model hub.

Below the cache folder, for each repository:

    hub/org--repo/refs/<revision>[+<wanted>].json   what that meant when last asked
    hub/org--repo/<commit>/<selection>/             complete and checked files, never changed
    hub/org--repo/<commit>/<selection>.partial/     a download that goes on next time

A selection is `model` (config, tokenizer, safetensors or a graph), `model` with the folder that a
graph lies in, or the name of one GGUF file.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import msgspec

from export.errors import ExportError
from export.progress import Progress
from export.sources.base import Fetched, Origin
from export.sources.cache import (
    exclusive,
    make_folder,
    offline_refusal,
    require_space,
    watched,
)
from export.sources.genai_files import genai_folders
from export.sources.hub_client import (
    GatedError,
    HubClient,
    HubFile,
    HubUnreachableError,
    Listing,
)
from export.sources.hub_files import select_files
from service.store.files import hash_file

_SMALL_SUFFIXES = (".json", ".jinja", ".txt", ".model")
"""Of what is fetched first: configs and tokenizers."""


def _accept(_folder: Path) -> None:
    """No check at all."""


@dataclass(frozen=True, slots=True)
class _Record:
    """What a revision meant; `path` is relative to the repository's folder in the cache, and
    `files` are the sizes in bytes of what belongs to it, by their paths from there."""

    path: str
    origin: Origin
    files: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HubSource:
    """`repo` as `org/repo`; `wanted` a GGUF file, a quantisation or a folder of it, None for
    safetensors. `mirror` is named to those whom a gated `repo` turns away; `offline` makes no
    request. `check` sees the folder with the model's configs before anything large is fetched, and
    refuses what no one could use by an ExportError."""

    repo: str
    wanted: str | None = None
    revision: str | None = None
    license: str | None = None
    mirror: str | None = None
    offline: bool = False
    client: HubClient = field(default_factory=HubClient)
    check: Callable[[Path], None] = field(default=_accept, compare=False)

    def fetch(self, cache_dir: Path, progress: Progress) -> Fetched:
        """The files at the revision's commit of today, or as last seen where the hub is away."""
        folder = cache_dir / "hub" / self.repo.replace("/", "--")
        with exclusive(folder / "lock", progress):
            if self.offline:
                return self._fetched_before(folder)
            try:
                record = self._fetch_online(folder, progress)
            except GatedError as error:
                raise self._with_mirror(error) from error
        return Fetched(folder / record.path, record.origin)

    def _fetch_online(self, folder: Path, progress: Progress) -> _Record:
        try:
            listing = self.client.list_files(self.repo, self.revision)
        except HubUnreachableError as error:
            record = self._recall(folder)
            if record is None:
                raise
            progress.note(f"{error}; using the files fetched earlier")
            return record
        record = self._fetch_listed(folder, listing, progress)
        self._remember(folder, record)
        return record

    def _fetched_before(self, folder: Path) -> Fetched:
        record = self._recall(folder)
        if record is None:
            what = ":".join(filter(None, (self.repo, self.wanted)))
            raise ExportError(offline_refusal(f"{what} {self.revision or ''}".strip()))
        return Fetched(folder / record.path, record.origin)

    def _with_mirror(self, error: GatedError) -> ExportError:
        if self.mirror is None:
            return error
        return GatedError(f"{error}; hf.co/{self.mirror} has the same weights without a gate")

    def _fetch_listed(self, folder: Path, listing: Listing, progress: Progress) -> _Record:
        by_path = {file.path: file for file in listing.files}
        files = [by_path[name] for name in select_files(by_path, self.repo, self.wanted)]
        single = files[0] if files[0].path.lower().endswith(".gguf") else None
        inner = next(iter(genai_folders([file.path for file in files])), "")
        target = folder / listing.commit / _selection(single, inner)
        if not all(_place(target, file).is_file() for file in files):
            self._download(target, listing.commit, files, inner, progress)
        path = target / (PurePosixPath(single.path).name if single else inner)
        origin = Origin(
            kind="hub",
            location=":".join(filter(None, (self.repo, single.path if single else inner))),
            revision=listing.commit,
            sha256=single.sha256 or hash_file(path) if single else None,
            license=self.license or listing.license,
        )
        placed = (_place(target, file) for file in files)
        sizes = {kept.relative_to(folder).as_posix(): kept.stat().st_size for kept in placed}
        return _Record(path.relative_to(folder).as_posix(), origin, sizes)

    def _download(
        self, target: Path, commit: str, files: Sequence[HubFile], inner: str, progress: Progress
    ) -> None:
        staging = target.with_name(f"{target.name}.partial")
        if target.is_dir() and not staging.exists():
            target.replace(staging)  # somebody took files out: what is left need not come again
        make_folder(staging)
        missing = [file for file in files if not _place(staging, file).is_file()]
        require_space(staging, sum(_size_to_come(staging, file) for file in missing))
        small = [file for file in files if file.path.endswith(_SMALL_SUFFIXES)]
        for file in small:
            self._download_file(staging, commit, file, progress)
        if small:
            self._check(staging, inner)
        for file in files:
            if file not in small:
                self._download_file(staging, commit, file, progress)
        staging.replace(target)

    def _check(self, staging: Path, inner: str) -> None:
        try:
            self.check(staging / inner)
        except ExportError:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def _download_file(self, staging: Path, commit: str, file: HubFile, progress: Progress) -> None:
        path = _place(staging, file)
        make_folder(path.parent)
        if path.is_file() and _is_intact(path, file, progress):
            return
        unfinished = _unfinished(path)
        with (
            progress.step(f"downloading {path.name}", file.size) as step,
            watched(partial(_size_of, unfinished), step),
        ):
            self.client.download(self.repo, commit, file, unfinished)
        if not _is_intact(unfinished, file, progress):
            unfinished.unlink()
            raise ExportError(
                f"{file.path} of {self.repo} arrived damaged and was removed: run the export again"
            )
        unfinished.replace(path)

    def _record_path(self, folder: Path) -> Path:
        name = quote(self.revision or "main", safe="")
        wanted = f"+{quote(self.wanted.lower(), safe='')}" if self.wanted else ""
        return folder / "refs" / f"{name}{wanted}.json"

    def _remember(self, folder: Path, record: _Record) -> None:
        path = self._record_path(folder)
        make_folder(path.parent)
        unfinished = path.with_name(f"{path.name}.partial")
        unfinished.write_bytes(msgspec.json.encode(record))
        unfinished.replace(path)

    def _recall(self, folder: Path) -> _Record | None:
        try:
            record = msgspec.json.decode(self._record_path(folder).read_bytes(), type=_Record)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        whole = all(_size_of(folder / name) == size for name, size in record.files.items())
        return record if whole and (folder / record.path).exists() else None


def _selection(single: HubFile | None, inner: str) -> str:
    """The name of a selection; `inner` is the folder of an ONNX model."""
    if single:
        return PurePosixPath(single.path).name
    return quote(f"model {inner}", safe="") if inner else "model"


def _place(staging: Path, file: HubFile) -> Path:
    """Where a file is kept: a GGUF file by its name alone, those of a model as they lie."""
    path = PurePosixPath(file.path)
    return staging / (path.name if path.suffix.lower() == ".gguf" else path)


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.incomplete")


def _size_to_come(staging: Path, file: HubFile) -> int:
    return max(0, (file.size or 0) - _size_of(_unfinished(_place(staging, file))))


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _is_intact(path: Path, file: HubFile, progress: Progress) -> bool:
    if file.sha256 is not None:
        with progress.step(f"checking {file.path}", file.size) as step:
            return hash_file(path, step.advance) == file.sha256
    if file.git_sha1 is not None:
        return _git_sha1(path) == file.git_sha1
    return file.size is None or path.stat().st_size == file.size


def _git_sha1(path: Path) -> str:
    """The name that git gives to a file's content."""
    content = path.read_bytes()
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()
