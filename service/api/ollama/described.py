"""What packages are, in Ollama's words."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from service.api.ollama.model_schema import Details, Info, ModelEntry, ShownModel
from service.modelfile.capabilities import capabilities_of
from service.modelfile.printing import effective_overrides, modelfile_with_gaps, parameters_text
from service.store.manifest import AnyManifest, EncoderManifest
from service.store.names import ModelName
from service.store.packages import AnyPackage


def full_name(name: ModelName) -> str:
    """With its tag, which Ollama leaves out nowhere."""
    return f"{'/'.join(name.path)}:{name.tag}"


def details_of(package: AnyPackage) -> Details:
    family = package.manifest.architecture.family
    return Details(
        parent_model=package.parent or "",
        family=family,
        families=[family],
        parameter_size=_parameter_size(package.manifest),
        quantization_level=package.manifest.precision,
    )


def rounded(count: int) -> str:
    """`count` as Ollama writes it: 134.52M, 7B, 3.2B."""
    for unit, size, digits in (("B", 10**9, 1), ("M", 10**6, 2), ("K", 10**3, 0)):
        if count >= size:
            shown = f"{count / size:.{0 if count % size == 0 else digits}f}"
            return f"{shown}{unit}"
    return str(count)


def _parameter_size(manifest: AnyManifest) -> str:
    if isinstance(manifest, EncoderManifest) or manifest.architecture.num_parameters is None:
        return ""
    return rounded(manifest.architecture.num_parameters)


def entry_of(package: AnyPackage) -> ModelEntry:
    name = full_name(package.name)
    return ModelEntry(
        name=name,
        model=name,
        modified_at=datetime.fromtimestamp(package.created, UTC),
        size=package.manifest.weights_bytes,
        digest=package.id,
        details=details_of(package),
        capabilities=list(capabilities_of(package)),
    )


def shown(package: AnyPackage) -> ShownModel:
    """Raises PackageCorrupt."""
    own = effective_overrides(package)
    license_ = package.manifest.source.license
    return ShownModel(
        license="\n".join((*own.licenses, *([license_] if license_ else []))),
        # FROM names a model: where packages lie is not a client's to know.
        modelfile=modelfile_with_gaps(package.parent or str(package.name), own),
        parameters=parameters_text(own.parameters),
        template=own.template or "",
        system=own.system or "",
        details=details_of(package),
        messages=list(own.messages),
        model_info=_info(package.manifest),
        capabilities=list(capabilities_of(package)),
        modified_at=datetime.fromtimestamp(package.created, UTC),
    )


def _info(manifest: AnyManifest) -> Info:
    architecture = manifest.architecture
    key = partial("{}.{}".format, architecture.family)
    info: Info = {
        "general.architecture": architecture.family,
        key("context_length"): manifest.context_length,
        key("block_count"): architecture.num_layers,
        key("vocab_size"): architecture.vocab_size,
    }
    if isinstance(manifest, EncoderManifest):
        info[key("embedding_length")] = manifest.architecture.hidden_size
    else:
        info[key("attention.head_count_kv")] = manifest.architecture.num_kv_heads
        info[key("attention.key_length")] = manifest.architecture.head_dim
    return info
