"""A model that speaks harmony: its tokens, and a template as small as it can be."""

from __future__ import annotations

import re
from collections.abc import Iterable

from service.dialogue.answer import AnswerReader, CallDelta, joined
from service.dialogue.styles.harmony import HARMONY_STYLE
from service.dialogue.tools.harmony import HARMONY
from tests.unit.service.dialogue.tools.formats import TOOLS

CONTROL_TOKENS = (
    *("<|return|>", "<|call|>", "<|constrain|>", "<|channel|>", "<|start|>", "<|end|>"),
    "<|message|>",
)
_MARK = re.compile("(" + "|".join(map(re.escape, CONTROL_TOKENS)) + ")")

TEMPLATE = """\
{%- if reasoning_effort is defined %}<|start|>system<|message|>Reasoning: {{ reasoning_effort }}<|end|>
{%- endif -%}
{%- if tools -%}
<|start|>developer<|message|>{% for t in tools %}{{ t.function | tojson }}{% endfor %}<|end|>
{%- endif -%}
{%- set called = namespace(name=none) -%}
{%- for m in messages -%}
{%- if m.tool_calls is defined -%}
{%- if m.content and m.thinking %}{{ raise_exception('either content or thinking') }}{% endif -%}
{%- if m.thinking -%}
<|start|>assistant<|channel|>analysis<|message|>{{ m.thinking }}<|end|>
{%- endif -%}
{%- set called.name = m.tool_calls[0].function.name -%}
<|start|>assistant to=functions.{{ called.name }}<|channel|>commentary json<|message|>
{{- m.tool_calls[0].function.arguments | tojson }}<|call|>
{%- elif m.role == 'tool' -%}
<|start|>functions.{{ called.name }} to=assistant<|channel|>commentary<|message|>
{{- m.content | tojson }}<|end|>
{%- elif m.role == 'assistant' -%}
<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>
{%- else -%}
<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}<|start|>assistant{% endif -%}
"""  # noqa: E501  white space in it counts


def pieces(text: str) -> list[tuple[str, bool]]:
    """`text` cut at its control tokens; whether a piece is one."""
    return [(part, i % 2 == 1) for i, part in enumerate(_MARK.split(text)) if part]


def read(
    parts: Iterable[tuple[str, bool]], *, starts_inside: bool = False
) -> tuple[str, str, list[tuple[str, str]]]:
    """The thoughts, the text and the calls, as names and arguments, of an answer in `parts`."""
    reader = AnswerReader(
        HARMONY_STYLE.splitter(starts_inside=starts_inside), HARMONY.parser(TOOLS)
    )
    for text, is_mark in parts:
        if is_mark:
            reader.mark(text)
        else:
            reader.feed(text)
    taken = reader.take(is_last=True)
    calls: tuple[CallDelta, ...] = taken.calls
    found = [(call.name, call.arguments) for call in joined(calls)]
    return taken.reasoning, taken.content, found
