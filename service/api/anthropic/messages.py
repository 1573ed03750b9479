"""From the messages of a request to those of a dialogue, and how they are rendered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from service.api.anthropic.schema import (
    Content,
    CountTokensRequest,
    MessageParam,
    MessagesRequest,
    TextParam,
    ThinkingDisabled,
    ThinkingEnabled,
    ThinkingParam,
    ToolResultParam,
)
from service.api.anthropic.tool_schema import ToolUseParam
from service.api.effort import effort_variables
from service.api.facade import Model
from service.api.forms import AskedForm, schema_form
from service.api.openai.structured_outputs import with_structured
from service.api.past_calls import PastCalls, past_call
from service.dialogue.message import Message
from service.dialogue.prompt import TemplateOptions, TemplateValue
from service.dialogue.tools.tool import Tool, ToolCall
from service.errors import RequestError, UnsupportedParameter

_BETWEEN_TURNS = "\n\n"


def to_messages(wire: CountTokensRequest) -> list[Message]:
    """The system prompt first; turns of the same role that follow each other are one.

    Raises RequestError for blocks in a message of a role that cannot have them, for results of
    calls that were not made, and for an answer to be continued that has no text.
    """
    past = PastCalls()
    turns = [
        turn
        for index, message in enumerate(wire.messages)
        for turn in _turns(f"messages[{index}].content", message, past)
    ]
    if wire.system:
        turns.insert(0, Message("system", _text(wire.system)))
    messages = [
        turn for role, group in groupby(turns, attrgetter("role")) for turn in _merged(role, group)
    ]
    if continues_answer(wire) and not messages[-1].content:
        raise RequestError(
            "The final assistant message must have text, to be continued.", param="messages"
        )
    return messages


def continues_answer(wire: CountTokensRequest) -> bool:
    """Whether the answer goes on with the last message, which is the assistant's then."""
    return wire.messages[-1].role == "assistant"


def template_options(
    wire: CountTokensRequest, model: Model, tools: tuple[Tool, ...]
) -> TemplateOptions:
    """Raises UnsupportedParameter for thoughts that the model's template cannot ask for."""
    # Whether to think at all is the stronger word.
    variables = {**_effort(wire, model), **_thinking(wire, model)}
    return TemplateOptions(
        tuple(variables.items()), continues_final_message=continues_answer(wire), tools=tools
    )


def asked_form(wire: MessagesRequest) -> AskedForm | None:
    """What the text is to be held to, None for free text. Raises RequestError where it would be
    cut by something else."""
    asked = with_structured(
        _formatted(wire), wire.structured_outputs, format_param="output_config.format"
    )
    if asked is not None and wire.stop_sequences:
        raise RequestError(
            "'stop_sequences' cannot be combined with an output of a given format, which ends by "
            "itself.",
            param="stop_sequences",
        )
    return asked


def _formatted(wire: MessagesRequest) -> AskedForm | None:
    if wire.output_config is None or wire.output_config.format is None:
        return None
    return schema_form(bytes(wire.output_config.format.schema), "output_config.format.schema")


def _effort(wire: CountTokensRequest, model: Model) -> dict[str, TemplateValue]:
    if wire.output_config is None or wire.output_config.effort is None:
        return {}
    effort = wire.output_config.effort
    return dict(effort_variables(effort, model, param="output_config.effort"))


def _thinking(wire: CountTokensRequest, model: Model) -> dict[str, TemplateValue]:
    if wire.thinking is None:
        return {}
    if isinstance(wire.thinking, ThinkingEnabled):
        raise UnsupportedParameter(
            "Thoughts cannot be kept to a budget of tokens. Ask for thinking of type 'adaptive'.",
            param="thinking.budget_tokens",
        )
    if isinstance(wire.thinking, ThinkingDisabled):
        return dict(effort_variables("none", model, param="thinking.type"))
    return {"enable_thinking": True} if model.knows_variable("enable_thinking") else {}


def _turns(param: str, wire: MessageParam, past: PastCalls) -> list[Message]:
    """The results of calls are turns of their own, before what the user says to them."""
    blocks = () if isinstance(wire.content, str) else wire.content
    thoughts = "".join(each.thinking for each in blocks if isinstance(each, ThinkingParam))
    calls = [_call(each, param) for each in blocks if isinstance(each, ToolUseParam)]
    results = [_result(each, param, past) for each in blocks if isinstance(each, ToolResultParam)]
    if (thoughts or calls) and wire.role != "assistant":
        raise RequestError(
            "Only messages of the assistant may have thinking and tool_use blocks.", param=param
        )
    if results and wire.role != "user":
        raise RequestError("Only messages of the user may have tool_result blocks.", param=param)
    for call in calls:
        past.made(call)
    text = _text(wire.content)
    if results and not text:
        return results
    return [*results, Message(wire.role, text, reasoning=thoughts or None, tool_calls=(*calls,))]


def _call(block: ToolUseParam, param: str) -> ToolCall:
    return past_call(block.id, block.name, bytes(block.input).decode(), param=param)


def _result(block: ToolResultParam, param: str, past: PastCalls) -> Message:
    name = past.answered(block.tool_use_id, param=param)
    text = _text(block.content or "")
    content = f"Error: {text}" if block.is_error else text
    return Message("tool", content, name, tool_call_id=block.tool_use_id)


def _text(content: Content | Sequence[TextParam]) -> str:
    if isinstance(content, str):
        return content
    return "".join(block.text for block in content if isinstance(block, TextParam))


def _merged(role: str, group: Iterable[Message]) -> list[Message]:
    turns = list(group)
    if role == "tool" or len(turns) == 1:
        return turns
    return [
        Message(
            role,
            _joined(turn.content for turn in turns),
            reasoning=_joined(turn.reasoning or "" for turn in turns) or None,
            tool_calls=tuple(call for turn in turns for call in turn.tool_calls),
        )
    ]


def _joined(texts: Iterable[str]) -> str:
    return _BETWEEN_TURNS.join(filter(None, texts))
