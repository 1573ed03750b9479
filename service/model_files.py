"""What a loaded model is made from: its package's tokenizer, templates and fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from llguidance import LLTokenizer

from service.constraints.tokens import build_tokenizer
from service.dialogue.template import ChatTemplate
from service.engine.sampler import SAMPLER_VERSION
from service.errors import PackageCorrupt, WrongDevice
from service.modelfile.printing import chat_template
from service.modelfile.templates import to_jinja
from service.runtime.ort import ORT_VERSION
from service.runtime.providers import Provider
from service.store.manifest import TOKENIZER_NAME, Manifest
from service.store.overrides import Overrides
from service.store.packages import Package
from service.text.tokenizer import Tokenizer


def check_device(package: Package, provider: Provider) -> None:
    """Raises WrongDevice for a package that `provider` cannot run. The processor runs every graph:
    ONNX Runtime casts what its kernels want in float32."""
    made_for = package.manifest.devices
    if provider.device != "cpu" and provider.device not in made_for:
        raise WrongDevice(
            f"The package of model {package.name} is made for {' and '.join(made_for)}, not for "
            f"{provider.device}. Make one that is: python -m export NAME --for {provider.device}"
        )


def read_tokenizer(package: Package) -> Tokenizer:
    """Raises PackageCorrupt if it cannot be read, or is another model's."""
    manifest = package.manifest
    tokenizer = Tokenizer(package.folder / TOKENIZER_NAME, bos_token_id=manifest.tokens.bos)
    if not tokenizer.fits(manifest.architecture.vocab_size):
        raise PackageCorrupt(f"The tokenizer of model {package.name} is not the model's.")
    return tokenizer


def constraint_tokenizer(
    manifest: Manifest, tokenizer: Tokenizer, eos_ids: Sequence[int]
) -> LLTokenizer:
    """As constraints want it. Raises PackageCorrupt where its bytes cannot be told for sure."""
    return build_tokenizer(
        tokenizer.token_bytes,
        tokenizer.encode_plain,
        vocab_size=manifest.architecture.vocab_size,
        special_ids=tokenizer.control_ids,
        eos_ids=eos_ids,
    )


def read_template(package: Package, tokenizer: Tokenizer) -> ChatTemplate:
    """The template that came with the model, if one did. Raises PackageCorrupt."""
    return _template(package, tokenizer, chat_template(package))


def _template(package: Package, tokenizer: Tokenizer, source: str | None) -> ChatTemplate:
    tokens = package.manifest.tokens
    return ChatTemplate(
        source,
        bos_token=None if tokens.bos is None else tokenizer.token(tokens.bos),
        eos_token=tokenizer.token(tokens.eos[0]) if tokens.eos else None,
        control_tokens=tokenizer.control_tokens,
    )


def derived_template(package: Package, tokenizer: Tokenizer, source: str) -> ChatTemplate:
    """The template that a derived model brings, Jinja or Go. Raises PackageCorrupt."""
    tokens = package.manifest.tokens
    bos_text = tokenizer.token(tokens.bos) if tokens.add_bos and tokens.bos is not None else None
    try:
        return _template(package, tokenizer, to_jinja(source, bos_text=bos_text))
    except ValueError as error:
        raise PackageCorrupt(f"The template of model {package.name}: {error}.") from None


def derived_fingerprint(fingerprint: str, overrides: Overrides) -> str:
    """Of a derived model over the one with that fingerprint."""
    said = fingerprint.encode() + msgspec.json.encode(overrides)
    return "fp_" + hashlib.sha256(said).hexdigest()[:12]


def fingerprint_of(manifest: Manifest, provider: Provider) -> str:
    """Changes with whatever may change the tokens that a seed gives."""
    parts = [f"{name} {record.sha256}" for name, record in sorted(manifest.files.items())]
    parts += [provider.name, ORT_VERSION, f"sampler {SAMPLER_VERSION}", repr(manifest.tokens)]
    return "fp_" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
