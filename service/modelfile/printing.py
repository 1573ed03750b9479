"""A Modelfile that would make a model again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from service.errors import PackageCorrupt, RetortError
from service.store.manifest import CHAT_TEMPLATE_NAME
from service.store.overrides import Overrides, Parameters
from service.store.packages import AnyPackage, EncoderPackage, Store

_QUOTES = '"""'


def modelfile_text(base: str, overrides: Overrides) -> str:
    """What `read_modelfile` reads back as the same. `base` goes after FROM.

    Raises ValueError for texts that no Modelfile can hold, which only an API can have set.
    """
    return "\n".join(_lines(base, overrides)) + "\n"


def modelfile_of(store: Store, package: AnyPackage) -> str:
    """One that would make the model of `package` again, with all that holds for it.

    FROM names what it was made from if that is still there, else the folder that it lies in.
    """
    return modelfile_text(_base(store, package), effective_overrides(package))


def effective_overrides(package: AnyPackage) -> Overrides:
    """What holds for a model, be it said by a Modelfile or by its package."""
    overrides = package.overrides
    if isinstance(package, EncoderPackage):
        return overrides
    generation = package.manifest.generation
    own = Parameters(temperature=generation.temperature, top_p=generation.top_p)
    template = chat_template(package) if overrides.template is None else overrides.template
    return overrides.over(Overrides(parameters=own, template=template))


def chat_template(package: AnyPackage) -> str | None:
    """The package's own. Raises PackageCorrupt if it cannot be read."""
    if CHAT_TEMPLATE_NAME not in package.manifest.files:
        return None
    try:
        return (package.folder / CHAT_TEMPLATE_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise PackageCorrupt(
            f"The package of model {package.name} is damaged: {CHAT_TEMPLATE_NAME} cannot be read."
        ) from None


def _base(store: Store, package: AnyPackage) -> str:
    if package.parent is not None:
        with suppress(RetortError):
            if store.find(package.parent).digest == package.digest:
                return package.parent
    return str(package.folder)


def parameter_lines(parameters: Parameters) -> list[tuple[str, str]]:
    """Names and values as a Modelfile has them, a pair for each stop string."""
    pairs = []
    for name in parameters.named():
        value = getattr(parameters, name)
        values = value if isinstance(value, tuple) else (value,)
        pairs += [(name, _written(each)) for each in values]
    return pairs


def _lines(base: str, overrides: Overrides) -> Iterator[str]:
    yield f"FROM {base}"
    if overrides.template is not None:
        yield f"TEMPLATE {_block(overrides.template)}"
    if overrides.system is not None:
        yield f"SYSTEM {_block(overrides.system)}"
    for name, value in parameter_lines(overrides.parameters):
        yield f"PARAMETER {name} {value}"
    for turn in overrides.messages:
        yield f"MESSAGE {turn.role} {_block(turn.content)}"
    for text in overrides.licenses:
        yield f"LICENSE {_block(text)}"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _block(value) if isinstance(value, str) else str(value)


def _block(text: str) -> str:
    if _QUOTES not in text and not text.endswith('"'):
        return f"{_QUOTES}{text}{_QUOTES}"
    if len(text.splitlines()) > 1 or text != text.strip():
        raise ValueError(f"a text with {_QUOTES} in several lines cannot be put in a Modelfile")
    return f'"{text}"'
