"""A manifest and a package of a few bytes, both as complete as real ones."""

from __future__ import annotations

from pathlib import Path

import msgspec

from service.store.files import record_files
from service.store.manifest import (
    Architecture,
    FileRecord,
    Graphs,
    Manifest,
    Source,
    Tokens,
    write_manifest,
)
from service.store.names import ModelName
from service.store.packages import Package

GRAPH = "model.onnx"
DATA = "model.onnx.data"


def manifest(name: str = "tiny", files: dict[str, FileRecord] | None = None) -> Manifest:
    return Manifest(
        name=name,
        created=1_700_000_000,
        source=Source(kind="folder", location="tiny", license="MIT"),
        precision="int8",
        context_length=64,
        architecture=Architecture(
            family="llama", num_layers=2, num_kv_heads=2, head_dim=16, vocab_size=100
        ),
        tokens=Tokens(eos=(2, 3), bos=1, add_bos=True),
        graphs=Graphs(decoder=GRAPH),
        files={GRAPH: FileRecord(size=1, sha256="0" * 64)} if files is None else files,
    )


def fill(folder: Path, name: str = "tiny", content: bytes = b"weights") -> None:
    """Makes `folder` the package `name`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GRAPH).write_bytes(b"graph")
    (folder / DATA).write_bytes(content)
    write_manifest(folder, manifest(name, record_files(folder)))


def install(root: Path, name: str, content: bytes = b"weights") -> Path:
    """Puts the package `name` where a store below `root` looks for it; returns its folder."""
    folder = root / ModelName.parse(name).folder
    fill(folder, name, content)
    return folder


def with_records(package: Package, files: dict[str, FileRecord]) -> Package:
    """The package as if its manifest spoke of `files`."""
    changed = msgspec.structs.replace(package.manifest, files=files)
    return Package(package.name, package.folder, changed)
