"""From a Go template of Ollama's to a chat template in Jinja.

Ollama runs a template with `.Messages` once over the conversation, and any other one once for each
exchange of a prompt and a response, the last time only up to `.Response`. Messages of one role that
follow each other are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from service.modelfile.go.expressions import Scope, Term, compile_expression, quoted
from service.modelfile.go.syntax import Action, GoTemplateError, Part, Text, Token, split

_MERGED = """\
{%- set go = namespace(messages=[], system='', role='', content='') -%}
{%- for message in messages -%}
{%- if message.role not in ('system', 'user', 'assistant') -%}
{{ raise_exception('the template knows no messages of role ' ~ message.role) }}
{%- endif -%}
{%- if message.role == go.role -%}
{%- set go.content = go.content ~ '\\n\\n' ~ message.content -%}
{%- else -%}
{%- if go.role -%}
{%- set go.messages = go.messages + [{'role': go.role, 'content': go.content}] -%}
{%- endif -%}
{%- set go.role = message.role -%}
{%- set go.content = message.content -%}
{%- endif -%}
{%- if message.role == 'system' -%}
{%- set go.system = (go.system ~ '\\n\\n' if go.system else '') ~ message.content -%}
{%- endif -%}
{%- endfor -%}
{%- set go_messages = go.messages + [{'role': go.role, 'content': go.content}] -%}
"""
_WHOLE = _MERGED + "{%- set go_system = go.system -%}{%- set go_prompt = '' -%}"
_FLUSH = """\
{{ go_turn(turn.system, turn.prompt, turn.response) }}
{%- set turn.system = '' -%}{%- set turn.prompt = '' -%}{%- set turn.response = '' -%}
"""
_TURNS = (
    """\
{%- set turn = namespace(system='', prompt='', response='') -%}
{%- for message in go_messages -%}
{%- if message.role == 'system' -%}
{%- if turn.prompt or turn.response -%}"""
    + _FLUSH
    + """{%- endif -%}
{%- set turn.system = message.content -%}
{%- elif message.role == 'user' -%}
{%- if turn.response -%}"""
    + _FLUSH
    + """{%- endif -%}
{%- set turn.prompt = message.content -%}
{%- else -%}
{%- set turn.response = message.content -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt and turn.response -%}"""
    + _FLUSH
    + """{%- endif -%}
{{- go_last(turn.system, turn.prompt, turn.response) -}}
"""
)
_RESPONSE = Action((Token("field", ".Response"),))


def translated(source: str) -> str:
    """The template in Jinja. Raises GoTemplateError for what has no counterpart."""
    parts = list(split(source))
    fields = _fields(parts)
    if any(name in fields for name in (".Messages", "$.Messages")):
        return _WHOLE + _Writer(parts).write()
    if not any(name in fields for name in (".Prompt", "$.Prompt")):
        raise GoTemplateError("it shows neither .Prompt nor .Messages")
    if ".Response" not in fields:
        parts.append(_RESPONSE)
    turn, last = _Writer(parts).write(), _Writer(parts, stops_at_response=True).write()
    arguments = "(go_system, go_prompt, go_response)"
    macros = f"{{%- macro go_turn{arguments} -%}}{turn}{{%- endmacro -%}}"
    macros += f"{{%- macro go_last{arguments} -%}}{last}{{%- endmacro -%}}"
    return macros + _MERGED + _TURNS


def _fields(parts: Sequence[Part]) -> set[str]:
    tokens = (token for part in parts if isinstance(part, Action) for token in part.tokens)
    return {token.text for token in tokens if token.kind == "field"}


class _Writer:
    """Writes parts as Jinja; `stops_at_response` leaves out all output after `.Response`."""

    def __init__(self, parts: Sequence[Part], *, stops_at_response: bool = False) -> None:
        self._parts = list(parts)
        self._position = 0
        self._stops_at_response = stops_at_response
        self._is_silent = False
        self._num_loops = 0

    def write(self) -> str:
        written = "".join(self._body(Scope()))
        if self._position < len(self._parts):
            raise GoTemplateError("an else or end has no beginning")
        return written

    def _body(self, scope: Scope) -> Iterator[str]:
        """Up to an `else` or `end`, which is left where it is."""
        while self._position < len(self._parts):
            part = self._parts[self._position]
            if isinstance(part, Action) and part.keyword in ("else", "end"):
                return
            self._position += 1
            if isinstance(part, Text):
                yield self._output(quoted(part.text))
            elif part.keyword:
                yield from self._block(part, scope)
            elif len(part.tokens) > 1 and part.tokens[1].text in (":=", "="):
                statement, scope = self._assignment(part, scope)
                yield statement
            else:
                yield self._output(compile_expression(part.tokens, scope).jinja)
                if self._stops_at_response and _RESPONSE.tokens[0] in part.tokens:
                    self._is_silent = True

    def _output(self, jinja: str) -> str:
        return "" if self._is_silent else f"{{{{- {jinja} -}}}}"

    def _assignment(self, action: Action, scope: Scope) -> tuple[str, Scope]:
        target, sign, *value = action.tokens
        if sign.text == "=" or not target.text.startswith("$"):
            raise GoTemplateError("a variable cannot be changed once it is set")
        term = compile_expression(value, scope)
        name = f"go_var_{target.text[1:]}"
        return f"{{%- set {name} = {term.jinja} -%}}", scope.with_variable(
            target.text, replace(term, jinja=name)
        )

    def _block(self, action: Action, scope: Scope) -> Iterator[str]:
        match action.keyword:
            case "if" | "with":
                yield from self._condition(action, scope)
            case "range":
                yield from self._loop(action, scope)
            case keyword:
                raise GoTemplateError(f"{keyword!r} is not supported")

    def _condition(self, action: Action, scope: Scope) -> Iterator[str]:
        """An `if` with its `else if` and `else`, or a `with`."""
        term = compile_expression(action.tokens[1:], scope)
        inner = scope if action.keyword == "if" else replace(scope, dot=term)
        yield f"{{%- if {term.jinja} -%}}"
        yield from self._body(inner)
        while (end := self._next()).keyword == "else":
            if len(end.tokens) > 1:
                if end.tokens[1].text != "if":
                    raise GoTemplateError("an else cannot be understood")
                term = compile_expression(end.tokens[2:], scope)
                yield f"{{%- elif {term.jinja} -%}}"
            else:
                yield "{%- else -%}"
            yield from self._body(scope)
        yield "{%- endif -%}"

    def _loop(self, action: Action, scope: Scope) -> Iterator[str]:
        self._num_loops += 1
        each = f"go_each_{self._num_loops}"
        names, value = _loop_variables(action.tokens[1:])
        over = compile_expression(value, scope)
        if over.kind not in ("messages", "nothing"):
            raise GoTemplateError("only messages can be gone through by range")
        item = Term(each, "message" if over.kind == "messages" else "nothing")
        inner = replace(scope, dot=item)
        yield f"{{%- for {each} in {over.jinja} -%}}"
        if names:
            inner = inner.with_variable(names[-1], item)
        if len(names) == 2:
            # A loop within this one has another `loop`.
            index = f"go_index_{self._num_loops}"
            yield f"{{%- set {index} = loop.index0 -%}}"
            inner = inner.with_variable(names[0], Term(index))
        yield from self._body(inner)
        end = self._next()
        if end.keyword == "else":
            yield "{%- else -%}"
            yield from self._body(scope)
            end = self._next()
        if end.keyword != "end":
            raise GoTemplateError("an else cannot be understood")
        yield "{%- endfor -%}"

    def _next(self) -> Action:
        """The `else` or `end` at which a body has stopped."""
        if self._position == len(self._parts):
            raise GoTemplateError("an end is missing")
        part = self._parts[self._position]
        assert isinstance(part, Action)
        self._position += 1
        return part


def _loop_variables(tokens: Sequence[Token]) -> tuple[list[str], Sequence[Token]]:
    """The names before `:=`, and what comes after."""
    signs = [token.text for token in tokens]
    if ":=" not in signs:
        return [], tokens
    at = signs.index(":=")
    return [token.text for token in tokens[:at] if token.kind == "field"], tokens[at + 1 :]
