"""From the messages of a request to those of a dialogue."""

from __future__ import annotations

from collections.abc import Sequence

from service.api.effort import effort_variables
from service.api.facade import Model
from service.api.openai.chat_schema import ChatMessage, ChatRequest
from service.dialogue.message import Message
from service.dialogue.prompt import TemplateOptions
from service.errors import RequestError, UnsupportedParameter

TEMPLATE_KWARGS = ("enable_thinking", "thinking", "reasoning_effort", "preserve_thinking")
"""Variables of templates that a request may set; all others belong to the service."""


def to_messages(wire: Sequence[ChatMessage]) -> list[Message]:
    """Raises RequestError for a message without content that must have some."""
    return [_message(index, message) for index, message in enumerate(wire)]


def template_options(wire: ChatRequest, model: Model) -> TemplateOptions:
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
        tuple(variables.items()), continues_final_message=bool(wire.continue_final_message)
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


def _message(index: int, wire: ChatMessage) -> Message:
    """`developer` is OpenAI's newer name of `system`, which is what templates know."""
    role = "system" if wire.role == "developer" else wire.role
    if wire.content is None and role != "assistant":
        param = f"messages[{index}].content"
        raise RequestError(f"Missing required parameter: {param!r}.", param=param)
    content = wire.content or ""
    if isinstance(content, list):
        content = "".join(part.text for part in content)
    reasoning = wire.reasoning_content or wire.reasoning
    return Message(role, content, wire.name, reasoning, wire.tool_call_id)
