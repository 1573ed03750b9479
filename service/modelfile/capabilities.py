"""What a model can do, in Ollama's words."""

from __future__ import annotations

from contextlib import suppress

from service.dialogue.styles.detect import tells_of_thoughts
from service.errors import PackageCorrupt
from service.modelfile.printing import chat_template
from service.store.packages import AnyPackage, EncoderPackage


def capabilities_of(package: AnyPackage) -> tuple[str, ...]:
    """Tools can be called by whatever converses. A template that cannot be read is none."""
    if isinstance(package, EncoderPackage):
        return package.manifest.capabilities
    template = package.overrides.template
    if template is None:
        with suppress(PackageCorrupt):
            template = chat_template(package)
    if not template:
        return ("completion",)
    thinks = ("thinking",) if tells_of_thoughts(template) else ()
    return ("completion", "tools", *thinks)
