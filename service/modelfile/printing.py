"""A Modelfile that would make a model again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress

from service.errors import PackageCorrupt, RetortError
from service.modelfile.parameters import Value
from service.modelfile.parser import QUOTES, lines_of
from service.store.manifest import CHAT_TEMPLATE_NAME
from service.store.overrides import Overrides, Parameters
from service.store.packages import AnyPackage, EncoderPackage, Store


def modelfile_text(base: str, overrides: Overrides) -> str:
    """What `read_modelfile` reads back as the same. `base` goes after FROM.

    Raises ValueError for a text that no Modelfile can hold, which only an API or a package can have
    said, naming the instruction.
    """
    return _joined(base, (_written(*each) for each in _said(overrides)))


def modelfile_with_gaps(base: str, overrides: Overrides) -> str:
    """The same, with a comment that says so in place of each text that no Modelfile can hold."""
    return _joined(base, (_written_or_told(*each) for each in _said(overrides)))


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
    """Names and values, a pair for each stop string, which is in quotes as JSON has them."""
    return [(name, _shown(value)) for name, value in _pairs(parameters)]


def parameters_text(parameters: Parameters) -> str:
    """A line for each of them, as Ollama lays them out and its clients read them."""
    return "\n".join(f"{name:<30} {value}" for name, value in parameter_lines(parameters))


def _joined(base: str, instructions: Iterable[str]) -> str:
    return "".join(f"{each}\n" for each in (f"FROM {base}", *instructions))


def _said(overrides: Overrides) -> Iterator[tuple[str, Value]]:
    """How each instruction begins, and what it says."""
    if overrides.template is not None:
        yield "TEMPLATE", overrides.template
    if overrides.system is not None:
        yield "SYSTEM", overrides.system
    for name, value in _pairs(overrides.parameters):
        yield f"PARAMETER {name}", value
    for turn in overrides.messages:
        yield f"MESSAGE {turn.role}", turn.content
    for text in overrides.licenses:
        yield "LICENSE", text


def _pairs(parameters: Parameters) -> Iterator[tuple[str, Value]]:
    for name in parameters.named():
        value = getattr(parameters, name)
        for each in value if isinstance(value, tuple) else (value,):
            yield name, each


def _written(begun: str, value: Value) -> str:
    """Raises ValueError for a text that cannot be written."""
    if not isinstance(value, str):
        return f"{begun} {_shown(value)}"
    block = f"{value}{QUOTES}"
    # Only the end of a line can close a text, so quotes within lines, and at its own end, are fine.
    if any(line.rstrip().endswith(QUOTES) for line in lines_of(block)[:-1]):
        raise ValueError(
            f"{begun} cannot be put in a Modelfile: a line before its last ends in {QUOTES}"
        )
    return f"{begun} {QUOTES}{block}"


def _written_or_told(begun: str, value: Value) -> str:
    try:
        return _written(begun, value)
    except ValueError as error:
        return f"# {error}"


def _shown(value: Value) -> str:
    """In one line."""
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    """What JSON reads, as Ollama has it: what prints stays as it is, all else is escaped."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    return char if char.isprintable() and char not in '"\\' else json.dumps(char)[1:-1]
