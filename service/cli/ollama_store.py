"""The models that an Ollama has on this disk: manifests that name blobs by their hashes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from service.cli.errors import CommandError
from service.modelfile.parameters import read_parameters
from service.modelfile.parser import Instruction, ModelfileError
from service.modelfile.templates import to_jinja
from service.store.names import ModelName
from service.store.overrides import Overrides, Turn

_MEDIA = "application/vnd.ollama.image."
_KNOWN = ("model", "template", "system", "params", "license", "messages")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")

T = TypeVar("T")

ParamValue: TypeAlias = str | int | float | bool | None


class _Layer(msgspec.Struct):
    media: str = msgspec.field(name="mediaType")
    digest: str

    @property
    def kind(self) -> str:
        return self.media.removeprefix(_MEDIA)


class _Manifest(msgspec.Struct):
    layers: list[_Layer]


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """`weights` is a GGUF file, without that suffix; `overrides` is what lies over them."""

    name: ModelName
    weights: Path
    overrides: Overrides


@dataclass(frozen=True, slots=True)
class OllamaStore:
    """The folder `models` of an Ollama."""

    root: Path

    def names(self) -> list[ModelName]:
        """All models that it has a manifest for."""
        return sorted(self._manifests())

    def read(self, name: ModelName, *, own_template: bool) -> OllamaModel:
        """The model; with `own_template` its weights' template is left to hold.

        Raises CommandError for what is not there, or cannot be honoured, by name.
        """
        path = self._manifests().get(name)
        if path is None:
            raise CommandError(f"there is no model {str(name)!r} in {self.root}")
        layers = _read(path, _Manifest).layers
        if other := [layer.kind for layer in layers if layer.kind not in _KNOWN]:
            raise CommandError(f"{name} has a layer {other[0][:60]!r}, which is not supported yet")
        weights = [self._blob(layer) for layer in layers if layer.kind == "model"]
        if len(weights) != 1:
            raise CommandError(f"{name} has {len(weights)} files of weights, and one is read")
        return OllamaModel(name, weights[0], self._overrides(name, layers, own_template))

    def _overrides(
        self, name: ModelName, layers: Sequence[_Layer], own_template: bool
    ) -> Overrides:
        template = None if own_template else self._text(layers, "template")
        try:
            if template is not None:
                to_jinja(template)
        except ValueError as error:
            raise CommandError(
                f"the template of {name} cannot be used: {error} (--own-template takes the one in "
                "its weights instead)"
            ) from None
        try:
            parameters = read_parameters(self._parameters(layers))
        except ModelfileError as error:
            raise CommandError(f"{name}: {str(error).partition(': ')[2]}") from None
        return Overrides(
            parameters=parameters,
            system=self._text(layers, "system"),
            template=template,
            messages=tuple(self._messages(layers)),
            licenses=tuple(self._texts(layers, "license")),
        )

    def _parameters(self, layers: Sequence[_Layer]) -> Iterator[Instruction]:
        for layer in layers:
            if layer.kind != "params":
                continue
            given = _read(self._blob(layer), dict[str, ParamValue | list[ParamValue]])
            for key, value in given.items():
                for each in value if isinstance(value, list) else [value]:
                    yield Instruction("parameter", f"{key} {_written(each)}", 0)

    def _messages(self, layers: Sequence[_Layer]) -> Iterator[Turn]:
        for layer in layers:
            if layer.kind == "messages":
                yield from _read(self._blob(layer), list[Turn])

    def _text(self, layers: Sequence[_Layer], kind: str) -> str | None:
        return next(iter(self._texts(layers, kind)), None)

    def _texts(self, layers: Sequence[_Layer], kind: str) -> list[str]:
        return [
            _bytes(self._blob(layer)).decode(errors="replace")
            for layer in layers
            if layer.kind == kind
        ]

    def _blob(self, layer: _Layer) -> Path:
        found = _DIGEST.fullmatch(layer.digest)
        path = self.root / "blobs" / f"sha256-{found[1] if found else ''}"
        if found is None or not path.is_file():
            raise CommandError(f"the store in {self.root} lacks the blob {layer.digest[:80]!r}")
        return path

    def _manifests(self) -> dict[ModelName, Path]:
        folder = self.root / "manifests"
        found = {}
        for path in folder.glob("*/*/*/*"):
            host, namespace, model, tag = path.relative_to(folder).parts
            # What Ollama lets a model be called and a store here does not is none of its models.
            with suppress(ValueError):
                found[ModelName.parse(f"{host}/{namespace}/{model}:{tag}")] = path
        return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(_bytes(path), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} is malformed: {error}") from None


def _written(value: ParamValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
