"""From the messages of a request to those of a dialogue."""

from __future__ import annotations

from collections.abc import Sequence

from service.api.effort import effort_variables
from service.api.facade import Model
from service.api.openai.chat_schema import ChatMessage, ChatRequest
from service.api.past_calls import PastCalls, past_call
from service.dialogue.message import Message
from service.dialogue.prompt import TemplateOptions
from service.dialogue.tools.tool import Tool, ToolCall
from service.errors import RequestError, UnsupportedParameter

TEMPLATE_KWARGS = ("enable_thinking", "thinking", "reasoning_effort", "preserve_thinking")
"""Variables of templates that a request may set; all others belong to the service."""


def to_messages(wire: Sequence[ChatMessage]) -> list[Message]:
    """Raises RequestError for a message without content that must have some, and for calls and
    results that are none."""
    reader = _Reader()
    return [reader.read(index, message) for index, message in enumerate(wire)]


def template_options(
    wire: ChatRequest, model: Model, tools: tuple[Tool, ...] = ()
) -> TemplateOptions:
    """What the template is given besides the messages.

    Raises RequestError for variables that may not be set, and UnsupportedParameter for a
    reasoning effort that the model's template cannot ask for.
    """
    variables = dict(wire.chat_template_kwargs or {})
    for name in variables:
        if name not in TEMPLATE_KWARGS:
            param = f"chat_template_kwargs.{name}"[:200]
            allowed = ", ".join(TEMPLATE_KWARGS)
            raise UnsupportedParameter(
                f"The parameter {param!r} is not supported; supported are {allowed}.", param=param
            )
    if wire.reasoning_effort is not None:
        effort = wire.reasoning_effort
        variables.update(effort_variables(effort, model, param="reasoning_effort"))
    return TemplateOptions(
        tuple(variables.items()),
        continues_final_message=bool(wire.continue_final_message),
        tools=tools,
    )


def check_continuation(wire: ChatRequest) -> None:
    """Raises RequestError where what is to be continued is no answer, or a new answer is wanted
    too."""
    if wire.continue_final_message:
        if wire.add_generation_prompt:
            raise RequestError(
                "'add_generation_prompt' begins a new answer, which 'continue_final_message' "
                "rules out.",
                param="add_generation_prompt",
            )
        last = wire.messages[-1]
        if last.role != "assistant" or not last.content:
            raise RequestError(
                "The final message must be an assistant's, with content, to be continued.",
                param="continue_final_message",
            )
    elif wire.add_generation_prompt is False:
        raise UnsupportedParameter(
            "'add_generation_prompt' may only be false with 'continue_final_message'.",
            param="add_generation_prompt",
        )


class _Reader:
    """Reads one conversation, from its first message to its last."""

    def __init__(self) -> None:
        self._past = PastCalls()

    def read(self, index: int, wire: ChatMessage) -> Message:
        """`developer` is OpenAI's newer name of `system`, which is what templates know."""
        param = f"messages[{index}]"
        if wire.content is None and wire.role != "assistant":
            raise _missing(f"{param}.content")
        if wire.role in ("tool", "function"):
            return self._result(wire, param)
        return Message(
            "system" if wire.role == "developer" else wire.role,
            _text(wire),
            wire.name,
            wire.reasoning_content or wire.reasoning,
            tool_calls=self._calls(wire, param),
        )

    def _result(self, wire: ChatMessage, param: str) -> Message:
        name = self._past.answered(wire.tool_call_id, param=f"{param}.tool_call_id")
        if wire.role == "function" and wire.name is None:
            raise _missing(f"{param}.name")
        return Message("tool", _text(wire), name or wire.name, tool_call_id=wire.tool_call_id)

    def _calls(self, wire: ChatMessage, param: str) -> tuple[ToolCall, ...]:
        calls = [
            past_call(
                call.id,
                call.function.name,
                call.function.arguments,
                param=f"{param}.tool_calls[{index}].function.arguments",
            )
            for index, call in enumerate(wire.tool_calls or ())
        ]
        if wire.function_call is not None:
            called = wire.function_call
            param = f"{param}.function_call.arguments"
            calls.append(past_call(called.name, called.name, called.arguments, param=param))
        if calls and wire.role != "assistant":
            raise RequestError("Only an assistant's message has calls.", param=param)
        for call in calls:
            self._past.made(call)
        return tuple(calls)


def _text(wire: ChatMessage) -> str:
    content = wire.content or ""
    return content if isinstance(content, str) else "".join(part.text for part in content)


def _missing(param: str) -> RequestError:
    return RequestError(f"Missing required parameter: {param!r}.", param=param)
