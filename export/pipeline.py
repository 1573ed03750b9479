"""An export from beginning to end: resolve, read, build, write, verify, publish."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from export.catalog import Catalog, load_catalog
from export.checkpoints.open import open_checkpoint
from export.decoder.precision import Precision
from export.decoder.recipe import DecoderRecipe
from export.decoder.target import Target
from export.embedder.recipe import EmbedderRecipe
from export.embedder.spec import is_embedder, pooling_of
from export.encoder.recipe import EncoderRecipe
from export.encoder.spec import is_encoder
from export.errors import ExportError
from export.genai.recipe import GenaiRecipe, is_genai
from export.progress import Progress
from export.recipe import Facts, Job, Material, Recipe
from export.sources.base import Origin
from export.sources.cache import require_space
from export.sources.resolver import look_up
from export.supported import require_supported, require_supported_folder
from service.store.files import record_files
from service.store.manifest import Source, write_manifest
from service.store.names import ModelName
from service.store.publish import staged

DOWNLOADS = ".downloads"
"""Below the store: what was fetched stays there, so that a second export fetches nothing."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A published package; `verification` says what became of the weights, for people."""

    name: ModelName
    folder: Path
    precision: Precision
    verification: str


def run(job: Job, progress: Progress) -> Exported:
    """Makes the package. Raises ExportError or OSError; what stood before then still stands."""
    material, name = _material(job, progress)
    recipe = _recipe(material, progress)
    with (
        _naming_files_of(job.models),
        staged(job.models, name, lambda: _say_waiting(name, progress)) as folder,
    ):
        require_space(folder, recipe.package_bytes, "the package takes about")
        outcome = recipe.build(folder, progress)
        facts = Facts(
            name=str(name),
            created=int(time.time()),
            source=_source(material.fetched.origin),
            files=record_files(folder),
            quality=outcome.quality,
        )
        write_manifest(folder, recipe.manifest(facts))
    return Exported(name, job.models / name.folder, recipe.precision, outcome.summary)


@contextmanager
def _naming_files_of(models: Path) -> Iterator[None]:
    """Says where it is that something could not be written, which Python does not of a file that
    is open already."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(models)) from error


def _material(job: Job, progress: Progress) -> tuple[Material, ModelName]:
    """What is refused without a look at the weights is refused before they are fetched."""
    catalog = load_catalog()
    resolved = look_up(
        job.argument,
        revision=job.revision,
        offline=job.offline,
        check=require_supported_folder,
        catalog=catalog,
    )
    if resolved.entry is not None:
        require_supported(resolved.entry)
    name = _package_name(job)
    if job.int8_prefill and job.target is not Target.CPU:
        raise ExportError("an int8 prefill graph is for processors: it goes with --for cpu")
    fetched = resolved.source.fetch(job.models / DOWNLOADS, progress)
    if fetched.origin.license:
        progress.note(_licence(fetched.origin.license, catalog))
    return Material(job, fetched, resolved.entry), name


def _recipe(material: Material, progress: Progress) -> Recipe:
    if is_genai(material.fetched.path):
        return GenaiRecipe.read(material, progress)
    if is_embedder(material.fetched.path):
        return EmbedderRecipe.read(material, open_checkpoint(material.fetched.path), None, progress)
    if is_encoder(material.fetched.path):
        if material.job.context_length is not None:
            raise ExportError("--context is for models that generate text")
        return EncoderRecipe.read(material)
    checkpoint = open_checkpoint(material.fetched.path)
    pooling = pooling_of(checkpoint, material.entry)
    if pooling is not None:
        return EmbedderRecipe.read(material, checkpoint, pooling, progress)
    return DecoderRecipe.read(material, checkpoint, progress)


def _package_name(job: Job) -> ModelName:
    """The name asked for, else one made from the argument: a catalogue name stays what it is."""
    wanted = _name_from(job.argument) if job.name is None else job.name
    try:
        return ModelName.parse(wanted)
    except ValueError as error:
        raise ExportError(
            f"{wanted!r} cannot name a package: {error}; give one by --name"
        ) from error


def _name_from(argument: str) -> str:
    path = Path(argument)
    if path.exists():
        stem = path.resolve().stem if path.is_file() else path.resolve().name
        return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")
    return re.sub(r"^(https://)?(hf\.co|huggingface\.co)/", "", argument, flags=re.IGNORECASE)


def _say_waiting(name: ModelName, progress: Progress) -> None:
    progress.note(f"waiting: {name} is being exported by another process")


def _licence(name: str, catalog: Catalog) -> str:
    address = catalog.licenses.get(name)
    return f"licence: {name} ({address})" if address else f"licence: {name}"


def _source(origin: Origin) -> Source:
    return Source(
        kind=origin.kind,
        location=origin.location,
        revision=origin.revision,
        sha256=origin.sha256,
        license=origin.license,
    )
