"""PARAMETER and `options`: which names there are, and what becomes of them here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from service.errors import RequestError, UnsupportedParameter
from service.modelfile.parser import Instruction, ModelfileError
from service.store.overrides import Parameters

Value: TypeAlias = int | float | bool | str
Given: TypeAlias = Any
"""What JSON has for a parameter, of any type; null says nothing."""


@dataclass(frozen=True, slots=True)
class _Row:
    """`only` is the one value that changes nothing, where no other can be honoured; `reason` says
    why, or what to do instead."""

    read: Callable[[str], Value]
    only: Value | None = None
    reason: str = ""


def _whole(text: str) -> int:
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


def _switch(text: str) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    try:
        return words[text.lower()]
    except KeyError:
        raise ValueError(text) from None


_AT_START = "it is the same for all models: start the service with"

_ROWS: dict[str, _Row] = {
    "num_ctx": _Row(_whole),
    "num_predict": _Row(_whole),
    "temperature": _Row(_number),
    "top_k": _Row(_whole),
    "top_p": _Row(_number),
    "min_p": _Row(_number),
    "repeat_penalty": _Row(_number),
    "repeat_last_n": _Row(_whole),
    "presence_penalty": _Row(_number),
    "frequency_penalty": _Row(_number),
    "seed": _Row(_whole),
    "stop": _Row(str),
    "num_keep": _Row(_whole),
    "num_batch": _Row(_whole),
    "typical_p": _Row(_number, 1.0, "there is no locally typical sampling"),
    "tfs_z": _Row(_number, 1.0, "there is no tail-free sampling"),
    "mirostat": _Row(_whole, 0, "there is no Mirostat sampling"),
    "penalize_newline": _Row(_switch, True, "line breaks are penalised like all else"),
    "use_mmap": _Row(_switch, True, "the runtime decides how weights are read"),
    "use_mlock": _Row(_switch, False, "memory is not locked"),
    "low_vram": _Row(_switch, False, "a model that does not fit is refused"),
    "numa": _Row(_switch, False, "memory is the system's to place"),
    "vocab_only": _Row(_switch, False, "models are loaded whole"),
    "logits_all": _Row(_switch, False, "requests ask for logprobs themselves"),
    "embedding_only": _Row(_switch, False, "the package says what a model is for"),
}
_REFUSED = {
    "num_gpu": f"{_AT_START} --device",
    "main_gpu": f"{_AT_START} --device",
    "num_thread": f"{_AT_START} --threads",
    "f16_kv": "the package says how keys and values are kept: export it --for cuda for float16",
    "mirostat_tau": "there is no Mirostat sampling",
    "mirostat_eta": "there is no Mirostat sampling",
    "num_gqa": "the package says how many heads a model has",
    "rope_frequency_base": "the package says how positions are rotated",
    "rope_frequency_scale": "the package says how positions are rotated",
    "draft_num_predict": "there are no draft models",
}


def read_parameters(instructions: Iterable[Instruction]) -> Parameters:
    """Of a parameter given twice the last counts, but `stop`, whose values all do.

    Raises ModelfileError for what cannot be honoured, or is no value of the parameter.
    """
    values: dict[str, Value] = {}
    stops: list[str] = []
    for instruction in instructions:
        name, value = _parameter(instruction)
        if name == "stop":
            stops.append(str(value))
            continue
        values[name] = value
        _checked({name: value}, instruction.line)
    given: dict[str, object] = {**values}
    if stops:
        given["stop"] = stops
    return _checked(given, 0)


def _parameter(instruction: Instruction) -> tuple[str, Value]:
    name, _, text = instruction.argument.partition(" ")
    name, line = name.lower(), instruction.line
    if name in _REFUSED:
        raise ModelfileError(line, f"PARAMETER {name} cannot be honoured: {_REFUSED[name]}")
    row = _ROWS.get(name)
    if row is None:
        raise ModelfileError(line, f"PARAMETER {name[:60]!r} is not known")
    try:
        value = row.read(text.strip() if row.read is not str else text)
    except ValueError:
        raise ModelfileError(line, f"PARAMETER {name} cannot be {text.strip()[:60]!r}") from None
    if row.only is not None and value != row.only:
        raise ModelfileError(line, f"PARAMETER {name} {text.strip()[:60]} {_only(row)}")
    if name == "stop" and not value:
        raise ModelfileError(line, "PARAMETER stop lacks its text")
    return name, value


def parameters_from(given: Mapping[str, Given], *, param: str) -> Parameters:
    """The same of the JSON object in the field `param` of a request.

    Raises UnsupportedParameter for what cannot be honoured and RequestError for what is no value
    of the parameter, naming it.
    """
    values: dict[str, object] = {}
    for name, value in given.items():
        if value is None:
            continue
        named = f"{param}.{name[:60]}"
        values[name] = _from_json(name, value, named)
        try:
            msgspec.convert({name: values[name]}, Parameters)
        except msgspec.ValidationError as error:
            raise _invalid(str(error), named) from None
    return msgspec.convert(values, Parameters)


def _invalid(message: str, param: str) -> RequestError:
    reason, _, place = message.partition(" - at `")
    named = param + place[place.find("[") :].removesuffix("`") if "[" in place else param
    return RequestError(f"Invalid value for {named!r}: {reason}.", param=named)


def _from_json(name: str, value: Given, param: str) -> object:
    if name in _REFUSED:
        raise UnsupportedParameter(f"{param!r} cannot be honoured: {_REFUSED[name]}.", param=param)
    row = _ROWS.get(name)
    if row is None:
        raise RequestError(f"Unknown parameter: {param!r}.", param=param, code="unknown_parameter")
    if name == "stop":
        return [value] if isinstance(value, str) else value
    # JSON's own writers do not tell 5.0 from 5.
    is_whole = isinstance(value, float) and value.is_integer() and row.read is _whole
    value = int(value) if is_whole and isinstance(value, float) else value
    is_same = value == row.only and isinstance(value, bool) == isinstance(row.only, bool)
    if row.only is not None and not is_same:
        shown = msgspec.json.encode(value).decode()[:60]
        raise UnsupportedParameter(f"{param!r} {shown} {_only(row)}.", param=param)
    return value


def _only(row: _Row) -> str:
    only = str(row.only).lower()
    return f"cannot be honoured ({only} is the only value that can): {row.reason}"


def _checked(values: dict[str, object], line: int) -> Parameters:
    try:
        return msgspec.convert(values, Parameters)
    except msgspec.ValidationError as error:
        name = next(iter(values), "")
        reason = str(error).partition(" - at")[0]
        raise ModelfileError(line, f"PARAMETER {name}: {reason[:1].lower()}{reason[1:]}") from None
