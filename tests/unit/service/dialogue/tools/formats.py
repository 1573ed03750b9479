"""All formats of calls, and what is common to their tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

from service.dialogue.tools.command import COMMAND
from service.dialogue.tools.deepseek import DEEPSEEK, DEEPSEEK_FENCED
from service.dialogue.tools.fenced import FENCED
from service.dialogue.tools.format import CallPiece, Parsed, ToolFormat
from service.dialogue.tools.functionary import FUNCTIONARY
from service.dialogue.tools.gemma import FUNCTION_GEMMA, GEMMA4
from service.dialogue.tools.granite import GRANITE
from service.dialogue.tools.hermes import HERMES
from service.dialogue.tools.llama_json import LLAMA_JSON
from service.dialogue.tools.lm_studio import LM_STUDIO
from service.dialogue.tools.mistral import MISTRAL_ARGS, MISTRAL_LIST, MISTRAL_SPACED_LIST
from service.dialogue.tools.phi import PHI_FUNCTOOLS, PHI_TOKENS
from service.dialogue.tools.pythonic import LFM2, PYTHONIC
from service.dialogue.tools.tagged import TAGGED
from service.dialogue.tools.tool import Tool, ToolCall

FORMATS: Final[tuple[ToolFormat, ...]] = (
    *(HERMES, LLAMA_JSON, MISTRAL_LIST, MISTRAL_SPACED_LIST, MISTRAL_ARGS, PHI_TOKENS),
    *(PHI_FUNCTOOLS, GRANITE, DEEPSEEK, DEEPSEEK_FENCED, FUNCTIONARY, FENCED, PYTHONIC, TAGGED),
    *(COMMAND, FUNCTION_GEMMA, GEMMA4, LFM2, LM_STUDIO),
)


def tool(name: str, properties: dict[str, object], required: Sequence[str] = ()) -> Tool:
    schema = {
        "type": "object",
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }
    return Tool(name, parameters=json.dumps(schema))


WEATHER: Final = tool(
    "get_weather",
    {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "alerts": {"type": "boolean"},
        "unit": {"enum": ["celsius", "fahrenheit"]},
        "near": {"type": "array", "items": {"type": "object"}},
        "code": {"type": "string", "maxLength": 8},
        "extra": {"type": "null"},
    },
    ["city"],
)
PING: Final = tool("ping", {})
OPEN: Final = Tool("open-ended", parameters='{"type":"object"}')
TOOLS: Final = (WEATHER, PING, OPEN)


def read(form: ToolFormat, pieces: Iterable[str]) -> tuple[str, list[tuple[str, str]]]:
    """The content and the calls, as name and arguments, of an answer that came in pieces."""
    parser = form.parser(TOOLS)
    return folded([*map(parser.feed, pieces), parser.flush()])


def folded(parsed: Iterable[Parsed]) -> tuple[str, list[tuple[str, str]]]:
    content, calls = "", list[tuple[str, str]]()
    for each in parsed:
        assert not (each.content and calls), "text does not follow calls"
        content += each.content
        for piece in each.calls:
            _add(piece, calls)
    return content, calls


def _add(piece: CallPiece, calls: list[tuple[str, str]]) -> None:
    if piece.name is not None:
        assert piece.index == len(calls)
        calls.append((piece.name, piece.arguments))
    else:
        assert piece.index == len(calls) - 1
        calls[-1] = (calls[-1][0], calls[-1][1] + piece.arguments)


def call(name: str, **arguments: object) -> ToolCall:
    return ToolCall("call_1", name, json.dumps(arguments, ensure_ascii=False))
