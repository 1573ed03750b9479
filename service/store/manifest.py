"""The contract between export and service: what a package says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec

MANIFEST_NAME = "manifest.json"
TOKENIZER_NAME = "tokenizer.json"
CHAT_TEMPLATE_NAME = "chat_template.jinja"
FORMAT_VERSION = 1

KvDtype = Literal["float32", "float16"]
DeviceKind = Literal["cpu", "cuda", "directml"]
Pooling = Literal["mean", "cls", "lasttoken", "max"]
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
    """What the engine must know to size and bind the graph's inputs and outputs.

    `num_parameters`, for people, counts the weights of all matrices; None where that is unknown.
    """

    family: str
    num_layers: Positive
    num_kv_heads: Positive
    head_dim: Positive
    vocab_size: Positive
    kv_dtype: KvDtype = "float32"
    num_parameters: Positive | None = None

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
    """`decoder` serves prefill and decode; `prefill`, where made, is a faster graph for prompts.

    `devices` are those that have a kernel for every node; packages made before DirectML was
    supported name none, and are for the processor in float32, for CUDA in float16.
    """

    decoder: FileName
    prefill: FileName | None = None
    devices: tuple[DeviceKind, ...] = ()


class StoredWeights(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Matrices that the source stores in one encoding and the package in one form.

    `lossless`: both stand for the same numbers, up to the rounding of float32.
    """

    encoding: str
    tensors: Positive
    form: str
    lossless: bool


class Quality(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What storing its weights so costs a package, measured against float32 on a fixed text.

    Nats are per token: `reference_nats` is the negative log-likelihood of the text in float32,
    `loss_nats` how much larger it is here, `divergence_nats` the mean Kullback-Leibler divergence.
    `agreement` is the share of positions where both find the same token likeliest.
    """

    text_tokens: Annotated[int, msgspec.Meta(ge=0)]
    reference_nats: float
    loss_nats: float
    divergence_nats: float
    agreement: Annotated[float, msgspec.Meta(ge=0, le=1)]


class FileRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Sha256


class EncoderArchitecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What there is to know of an encoder before it is loaded. `hidden_size` is that of a token."""

    family: str
    num_layers: Positive
    hidden_size: Positive
    vocab_size: Positive


class EncoderTokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`pad` fills the rows of a batch up to the longest; the attention mask hides it."""

    pad: TokenId


class EncoderGraphs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`encoder` reads whole sequences: `last_hidden_state [B, S, hidden_size]`, or for a
    cross-encoder `logits [B, 1]`. `devices` are those that it is made for; without any it is for
    the processor in int8, and for all in float32."""

    encoder: FileName
    devices: tuple[DeviceKind, ...] = ()


class Embedding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the vectors of a text's tokens become the vector of the text.

    `matryoshka`: a vector's beginning is a good vector too, of any length, or where
    `matryoshka_dimensions` are named of these alone. `prompts` are put before a text by name, and
    `default_prompt` names the one that a text gets which asks for none.
    """

    dimensions: Positive
    pooling: Pooling
    normalized: bool
    matryoshka: bool = False
    matryoshka_dimensions: tuple[Positive, ...] = ()
    prompts: dict[str, str] = {}
    default_prompt: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where the parts contradict each other."""
        if any(size > self.dimensions for size in self.matryoshka_dimensions):
            raise ValueError(f"a vector of {self.dimensions} dimensions cannot be cut to more")
        if self.default_prompt is not None and self.default_prompt not in self.prompts:
            raise ValueError(f"its default prompt {self.default_prompt!r} is none of its prompts")


class _Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What packages of every kind say; `files` lists every file beside the manifest.

    `context_length` is in tokens; `created` in seconds since the epoch.
    """

    name: str
    created: int
    source: Source
    precision: str
    context_length: Positive
    files: dict[FileName, FileRecord]
    format: int = FORMAT_VERSION
    producer: str = "retort"

    def __post_init__(self) -> None:
        """Raises ValueError if a graph is not among the files, and so would not be checked."""
        for graph in self.graph_names():
            if graph not in self.files:
                raise ValueError(f"its graph {graph} is not among its files")

    def graph_names(self) -> list[str]:
        """The files that hold its graphs."""
        return []

    @property
    def weights_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(record.size for record in self.files.values())


class Manifest(_Package, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The description of a decoder, which generates text. Packages that name no kind are such."""

    architecture: Architecture
    tokens: Tokens
    graphs: Graphs
    capabilities: tuple[str, ...] = ("completion",)
    generation: GenerationDefaults = GenerationDefaults()
    weights: tuple[StoredWeights, ...] = ()
    quality: Quality | None = None
    kind: Literal["decoder"] = "decoder"

    @property
    def devices(self) -> tuple[DeviceKind, ...]:
        """The devices that its graphs are made for."""
        if self.graphs.devices:
            return self.graphs.devices
        return ("cpu",) if self.architecture.kv_dtype == "float32" else ("cuda",)

    def graph_names(self) -> list[str]:
        return [name for name in (self.graphs.decoder, self.graphs.prefill) if name is not None]


class EncoderManifest(_Package, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The description of an encoder, which reads whole texts.

    It makes vectors if it has an `embedding`; otherwise it is a cross-encoder, which judges
    pairs of texts.
    """

    kind: Literal["encoder"]
    architecture: EncoderArchitecture
    tokens: EncoderTokens
    graphs: EncoderGraphs
    capabilities: tuple[Literal["embedding", "rerank"], ...]
    embedding: Embedding | None = None
    weights: tuple[StoredWeights, ...] = ()

    @property
    def devices(self) -> tuple[DeviceKind, ...]:
        """The devices that its graph is made for."""
        if self.graphs.devices:
            return self.graphs.devices
        return ("cpu",) if self.precision == "int8" else ("cpu", "cuda", "directml")

    def __post_init__(self) -> None:
        """Raises ValueError for a graph not among the files, or capabilities not its own."""
        _Package.__post_init__(self)
        expected = ("rerank",) if self.embedding is None else ("embedding",)
        if self.capabilities != expected:
            raise ValueError(f"its capabilities are not {expected}, as its other parts say")

    def graph_names(self) -> list[str]:
        return [self.graphs.encoder]


AnyManifest: TypeAlias = Manifest | EncoderManifest


class _Head(msgspec.Struct):
    format: int
    kind: str = "decoder"


def read_manifest(folder: Path) -> AnyManifest:
    """Raises OSError if there is none, ValueError (one line) if it is not one of this version."""
    return parse_manifest((folder / MANIFEST_NAME).read_bytes())


def parse_manifest(raw: bytes) -> AnyManifest:
    """Raises ValueError (one line) for what is no manifest of this version."""
    try:
        head = msgspec.json.decode(raw, type=_Head)
        if head.format != FORMAT_VERSION:
            raise ValueError(
                f"it has format {head.format}, this version reads format {FORMAT_VERSION}; export "
                "the model again"
            )
        if head.kind == "encoder":
            return msgspec.json.decode(raw, type=EncoderManifest)
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The message may quote the file, which may hold anything.
        reason = "".join(c if c.isprintable() else " " for c in str(error))
        raise ValueError(f"its {MANIFEST_NAME} is malformed: {reason}") from error


def write_manifest(folder: Path, manifest: AnyManifest) -> None:
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / MANIFEST_NAME).write_bytes(encoded + b"\n")
