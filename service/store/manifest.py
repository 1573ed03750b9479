"""The contract between export and service: what a package says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

MANIFEST_NAME = "manifest.json"
TOKENIZER_NAME = "tokenizer.json"
CHAT_TEMPLATE_NAME = "chat_template.jinja"
FORMAT_VERSION = 1

KvDtype = Literal["float32", "float16"]
Positive = Annotated[int, msgspec.Meta(ge=1)]
TokenId = Annotated[int, msgspec.Meta(ge=0)]
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=100)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the weights came from. `sha256` is that of a single source file, where there is one."""

    kind: str
    location: str
    revision: str | None = None
    sha256: Sha256 | None = None
    license: str | None = None


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the engine must know to size and bind the graph's inputs and outputs."""

    family: str
    num_layers: Positive
    num_kv_heads: Positive
    head_dim: Positive
    vocab_size: Positive
    kv_dtype: KvDtype = "float32"

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes that one token takes in the KV cache, over all layers."""
        element = 2 if self.kv_dtype == "float16" else 4
        return self.num_layers * 2 * self.num_kv_heads * self.head_dim * element


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Special token ids. Any of `eos` ends a generation."""

    eos: tuple[TokenId, ...] = ()
    bos: TokenId | None = None
    pad: TokenId | None = None
    add_bos: bool = False


class GenerationDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a request that says nothing gets; None leaves it to the API's own default."""

    temperature: float | None = None
    top_p: float | None = None


class Graphs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`decoder` serves prefill and decode; `prefill`, where made, is a faster graph for prompts."""

    decoder: FileName
    prefill: FileName | None = None


class FileRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Sha256


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A package's own description; `files` lists every file beside the manifest.

    `context_length` is in tokens; `created` in seconds since the epoch.
    """

    name: str
    created: int
    source: Source
    precision: str
    context_length: Positive
    architecture: Architecture
    tokens: Tokens
    graphs: Graphs
    files: dict[FileName, FileRecord]
    capabilities: tuple[str, ...] = ("completion",)
    generation: GenerationDefaults = GenerationDefaults()
    format: int = FORMAT_VERSION
    producer: str = "retort"

    def __post_init__(self) -> None:
        """Raises ValueError if a graph is not among the files, and so would not be checked."""
        for graph in (self.graphs.decoder, self.graphs.prefill):
            if graph is not None and graph not in self.files:
                raise ValueError(f"its graph {graph} is not among its files")

    @property
    def weights_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(record.size for record in self.files.values())


class _Version(msgspec.Struct):
    format: int


def read_manifest(folder: Path) -> Manifest:
    """Raises OSError if there is none, ValueError (one line) if it is not one of this version."""
    raw = (folder / MANIFEST_NAME).read_bytes()
    try:
        version = msgspec.json.decode(raw, type=_Version).format
        if version != FORMAT_VERSION:
            raise ValueError(
                f"it has format {version}, this version reads format {FORMAT_VERSION}; export the "
                "model again"
            )
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"its {MANIFEST_NAME} is malformed: {error}") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / MANIFEST_NAME).write_bytes(encoded + b"\n")
