"""All there is to tell about a model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from service.cli.models import full_name, modified
from service.cli.output import amount_of_bytes
from service.modelfile.capabilities import capabilities_of
from service.modelfile.printing import effective_overrides, modelfile_of, parameter_lines
from service.store.manifest import AnyManifest, EncoderManifest
from service.store.packages import AnyPackage, Store

_WIDTH = 20
_LINES_OF_A_LICENSE = 2


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest` is the package's own, `parameters` are those of a Modelfile and of the package."""

    name: str
    digest: str
    modified_at: datetime
    parent: str | None
    folder: str
    modelfile: str
    parameters: list[tuple[str, str]]
    template: str | None
    system: str | None
    licenses: tuple[str, ...]
    capabilities: tuple[str, ...]
    manifest: AnyManifest


def described(store: Store, package: AnyPackage) -> Description:
    """For programs. Raises PackageCorrupt."""
    held = effective_overrides(package)
    return Description(
        name=full_name(package.name),
        digest=package.id,
        modified_at=modified(package),
        parent=package.parent,
        folder=str(package.folder),
        modelfile=_modelfile(store, package),
        parameters=parameter_lines(held.parameters),
        template=held.template,
        system=held.system,
        licenses=held.licenses,
        capabilities=capabilities_of(package),
        manifest=package.manifest,
    )


def sections(package: AnyPackage, *, verbose: bool) -> Iterator[str]:
    """For people, as Ollama lays it out. Raises PackageCorrupt."""
    held = effective_overrides(package)
    manifest = package.manifest
    yield from _section("Model", _facts(package))
    yield from _section("Capabilities", [(name, "") for name in capabilities_of(package)])
    yield from _section("Parameters", parameter_lines(held.parameters))
    yield from _section("System", [(line, "") for line in (held.system or "").splitlines()[:2]])
    yield from _section("License", [(line, "") for line in _license(package, verbose)])
    if verbose:
        files = manifest.files.items()
        yield from _section("Files", [(n, amount_of_bytes(file.size)) for n, file in files])
        yield from _section("Quality", _quality(manifest))


def _facts(package: AnyPackage) -> list[tuple[str, str]]:
    manifest = package.manifest
    asked = package.overrides.parameters.num_ctx
    facts = [
        ("architecture", manifest.architecture.family),
        ("context length", str(asked or manifest.context_length)),
        ("layers", str(manifest.architecture.num_layers)),
        ("vocabulary", str(manifest.architecture.vocab_size)),
        ("precision", manifest.precision),
        ("size", amount_of_bytes(manifest.weights_bytes)),
        ("devices", _devices(manifest)),
        ("source", manifest.source.location),
    ]
    if isinstance(manifest, EncoderManifest) and manifest.embedding is not None:
        facts.insert(2, ("embedding length", str(manifest.embedding.dimensions)))
    if package.parent is not None:
        facts.append(("parent", package.parent))
    return facts


def _devices(manifest: AnyManifest) -> str:
    return "cpu" if isinstance(manifest, EncoderManifest) else ", ".join(manifest.devices)


def _license(package: AnyPackage, verbose: bool) -> list[str]:
    text = "\n".join(package.overrides.licenses) or package.manifest.source.license or ""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines if verbose else lines[:_LINES_OF_A_LICENSE]


def _quality(manifest: AnyManifest) -> list[tuple[str, str]]:
    if isinstance(manifest, EncoderManifest) or manifest.quality is None:
        return []
    found = manifest.quality
    return [
        ("loss", f"{found.loss_nats:+.4f} nats per token above float32"),
        ("agreement", f"{found.agreement:.1%} of the likeliest tokens"),
    ]


def _section(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    """Nothing where there are no rows."""
    if not rows:
        return
    yield f"  {title}"
    width = max(_WIDTH, *(len(name) + 2 for name, value in rows if value), 0)
    for name, value in rows:
        yield f"    {name:<{width}}{value}".rstrip()
    yield ""


def _modelfile(store: Store, package: AnyPackage) -> str:
    try:
        return modelfile_of(store, package)
    except ValueError:
        # Texts that only an API can have set stand in no Modelfile; the other keys have them.
        return ""
