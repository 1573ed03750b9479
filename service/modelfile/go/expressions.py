"""Expressions of a Go template in Jinja."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from service.modelfile.go.syntax import GoTemplateError, Token

Kind = Literal["root", "messages", "message", "value", "nothing"]
"""`nothing` is what conversations here never have: tools, images, what a model is told apart."""


@dataclass(frozen=True, slots=True)
class Term:
    """`jinja` is an expression that yields what `kind` says."""

    jinja: str
    kind: Kind = "value"


NOTHING = Term("''", "nothing")

_ROOT = {
    "System": Term("go_system"),
    "Prompt": Term("go_prompt"),
    "Response": Term("go_response"),
    "Messages": Term("go_messages", "messages"),
}
_ABSENT = {
    *("Tools", "ToolCalls", "ToolName", "ToolCallID", "Images", "Suffix"),
    *("Think", "ThinkLevel", "IsThinkSet", "Thinking"),
}
_OF_MESSAGES = {"Role": "role", "Content": "content"}
_COMPARISONS = {"ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


@dataclass(frozen=True, slots=True)
class Scope:
    """What `.` and the variables mean; `$` is the root always."""

    dot: Term = Term("", "root")
    variables: Mapping[str, Term] = field(default_factory=dict)

    def with_variable(self, name: str, term: Term) -> Scope:
        return replace(self, variables={**self.variables, name: term})


def compile_expression(tokens: Sequence[Token], scope: Scope) -> Term:
    """Raises GoTemplateError for what has no counterpart."""
    term, rest = _command(list(tokens), scope)
    if rest:
        raise GoTemplateError(f"{rest[0].text!r} is not supported where it stands")
    return term


def _command(tokens: list[Token], scope: Scope) -> tuple[Term, list[Token]]:
    """A function with its arguments, or one operand, up to a closing bracket."""
    if tokens and tokens[0].kind == "word" and tokens[0].text in _FUNCTIONS:
        name, rest = tokens[0].text, tokens[1:]
        terms: list[Term] = []
        while rest and rest[0] != _CLOSE:
            term, rest = _operand(rest, scope)
            terms.append(term)
        return _call(name, terms), rest
    return _operand(tokens, scope)


def _operand(tokens: list[Token], scope: Scope) -> tuple[Term, list[Token]]:
    if not tokens:
        raise GoTemplateError("an expression is not complete")
    first, rest = tokens[0], tokens[1:]
    if first == _OPEN:
        term, rest = _command(rest, scope)
        if not rest or rest[0] != _CLOSE:
            raise GoTemplateError("a bracket is not closed, or holds what is not supported")
        return term, rest[1:]
    if first.kind == "string":
        return Term(quoted(_string(first.text))), rest
    if first.kind == "number":
        return Term(first.text), rest
    if first.kind == "field":
        return _field(first.text, scope), rest
    if first.text in _CONSTANTS:
        return Term(_CONSTANTS[first.text]), rest
    raise GoTemplateError(f"{first.text!r} is not supported")


def _field(text: str, scope: Scope) -> Term:
    start, *names = text.split(".") if text != "." else [""]
    if start == "":
        term = scope.dot
    elif start == "$":
        term = Term("", "root")
    else:
        known = scope.variables.get(start)
        if known is None:
            raise GoTemplateError(f"the variable {start} is not set where it is used")
        term = known
    for name in names:
        term = _member(term, name, text)
    if term.kind == "root":
        raise GoTemplateError(f"{text!r} alone is not supported")
    return term


def _member(term: Term, name: str, text: str) -> Term:
    if term.kind == "nothing" or (name in _ABSENT and term.kind in ("root", "message")):
        return NOTHING
    if term.kind == "root" and name in _ROOT:
        return _ROOT[name]
    if term.kind == "message" and name in _OF_MESSAGES:
        return Term(f"{term.jinja}.{_OF_MESSAGES[name]}")
    raise GoTemplateError(f"{text!r} is not supported")


def _call(name: str, terms: Sequence[Term]) -> Term:
    low, high, make = _FUNCTIONS[name]
    if not low <= len(terms) <= high:
        raise GoTemplateError(f"{name!r} has {len(terms)} arguments")
    return make(terms)


def _joined(word: str) -> Callable[[Sequence[Term]], Term]:
    return lambda terms: Term("(" + f" {word} ".join(term.jinja for term in terms) + ")")


def _equal(terms: Sequence[Term]) -> Term:
    """To any of the others."""
    first, *others = terms
    return Term("(" + " or ".join(f"{first.jinja} == {other.jinja}" for other in others) + ")")


def _slice(terms: Sequence[Term]) -> Term:
    whole, *bounds = terms
    bounds = [*bounds, Term(""), Term("")][:2]
    return replace(whole, jinja=f"({whole.jinja})[{bounds[0].jinja}:{bounds[1].jinja}]")


def _index(terms: Sequence[Term]) -> Term:
    whole, position = terms
    kind: Kind = "message" if whole.kind == "messages" else whole.kind
    return Term(f"({whole.jinja})[{position.jinja}]", kind)


_MANY = 16
_FUNCTIONS: dict[str, tuple[int, int, Callable[[Sequence[Term]], Term]]] = {
    "and": (1, _MANY, _joined("and")),
    "or": (1, _MANY, _joined("or")),
    "not": (1, 1, lambda terms: Term(f"(not {terms[0].jinja})")),
    "eq": (2, _MANY, _equal),
    "len": (1, 1, lambda terms: Term(f"(({terms[0].jinja})|length)")),
    "slice": (1, 3, _slice),
    "index": (2, 2, _index),
    **{name: (2, 2, _joined(sign)) for name, sign in _COMPARISONS.items()},
}
_CONSTANTS = {"true": "true", "false": "false", "nil": "none"}
_OPEN, _CLOSE = Token("sign", "("), Token("sign", ")")


def quoted(text: str) -> str:
    """A literal of Jinja."""
    return json.dumps(text, ensure_ascii=False)


def _string(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    try:
        value: str = json.loads(text)
    except ValueError:
        raise GoTemplateError(f"the text {text[:40]} is not understood") from None
    return value
