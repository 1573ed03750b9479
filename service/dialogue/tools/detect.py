"""Which format a model writes its calls in: its chat template gives it away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.dialogue.tools.command import COMMAND
from service.dialogue.tools.deepseek import DEEPSEEK, DEEPSEEK_FENCED
from service.dialogue.tools.fenced import FENCED
from service.dialogue.tools.format import ToolFormat
from service.dialogue.tools.functionary import FUNCTIONARY
from service.dialogue.tools.gemma import FUNCTION_GEMMA, GEMMA4
from service.dialogue.tools.granite import GRANITE
from service.dialogue.tools.harmony import HARMONY
from service.dialogue.tools.hermes import HERMES
from service.dialogue.tools.llama_json import LLAMA_JSON
from service.dialogue.tools.lm_studio import LM_STUDIO
from service.dialogue.tools.mistral import MISTRAL_ARGS, MISTRAL_LIST, MISTRAL_SPACED_LIST
from service.dialogue.tools.phi import PHI_FUNCTOOLS, PHI_TOKENS
from service.dialogue.tools.pythonic import LFM2, PYTHONIC
from service.dialogue.tools.tagged import TAGGED


@dataclass(frozen=True, slots=True)
class _Mark:
    """Templates that hold all of `texts` are of models that write `form`."""

    texts: tuple[str, ...]
    form: ToolFormat


_NATIVE = (
    _Mark(("<|channel|>commentary", "functions."), HARMONY),
    _Mark(("<|START_ACTION|>",), COMMAND),
    _Mark(("<start_function_call>",), FUNCTION_GEMMA),
    _Mark(("<|tool_call>", "<tool_call|>"), GEMMA4),
    _Mark(("<|tool_call_start|>",), LFM2),
    _Mark(("[TOOL_REQUEST]",), LM_STUDIO),
    _Mark(("[TOOL_CALLS]", "[ARGS]"), MISTRAL_ARGS),
    _Mark(("[TOOL_CALLS] [",), MISTRAL_SPACED_LIST),
    _Mark(("[TOOL_CALLS]",), MISTRAL_LIST),
    _Mark(("<｜tool▁calls▁begin｜>", "```json"), DEEPSEEK_FENCED),
    _Mark(("<｜tool▁calls▁begin｜>",), DEEPSEEK),
    _Mark(("<function=", "<parameter="), TAGGED),
    _Mark(("<tool_call>", '"arguments": '), HERMES),
    _Mark(("functools[",), PHI_FUNCTOOLS),
    _Mark(("<|/tool_call|>",), PHI_TOKENS),
    _Mark(("<|/tool|>",), PHI_TOKENS),
    _Mark(("<|tool_call|>",), GRANITE),
    _Mark(("<function=", "</function>"), FUNCTIONARY),
    _Mark(('"parameters": ', "ipython"), LLAMA_JSON),
    _Mark(("[func_name1(",), PYTHONIC),
)
"""The first that fits counts, so what says more comes before what says less."""

_TOLD = (_Mark(("<start_of_turn>",), FENCED),)


def native_format(template: str) -> ToolFormat | None:
    """The format of a model whose chat template, this one, tells it of its tools."""
    return _fitting(_NATIVE, template)


def told_format(template: str) -> ToolFormat:
    """The format that a model with this chat template is best told of."""
    return _fitting(_TOLD, template) or HERMES


def _fitting(marks: Sequence[_Mark], template: str) -> ToolFormat | None:
    fitting = (mark.form for mark in marks if all(text in template for text in mark.texts))
    return next(fitting, None)
