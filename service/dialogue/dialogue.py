"""From a conversation to a prompt, tools included, whether or not the template knows of such."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from service.dialogue.message import Message
from service.dialogue.prompt import DEFAULT_OPTIONS, TemplateOptions
from service.dialogue.styles.detect import style_of
from service.dialogue.styles.style import Style
from service.dialogue.template import ChatTemplate
from service.dialogue.tools.described import described
from service.dialogue.tools.detect import native_format, told_format
from service.dialogue.tools.format import ToolFormat
from service.dialogue.tools.single_calls import one_call_each
from service.dialogue.tools.tool import Tool, ToolCall
from service.errors import RequestError
from service.text.segment import Segment

_PROBE = "probe_of_the_template"
_HELLO = Message("user", "a")


class Dialogue:
    """A model's way to converse: its template, the format of its calls, and the style of its
    answers, None where they hold no thoughts.

    `tool_format` is the family's where the template tells the model of its tools. Where it does
    not, they are described in words, and the format is one that any model can be told of.
    """

    def __init__(self, template: ChatTemplate, control_tokens: Collection[str] = ()) -> None:
        """`control_tokens` are the spellings of the model's tokens that are no text."""
        self._template = template
        self.style: Style | None = style_of(template.source, control_tokens)
        self._has_system = self._shows([Message("system", _PROBE), _HELLO])
        shows_tools = self._shows([_HELLO], TemplateOptions(tools=(Tool(_PROBE),)))
        native = native_format(template.source) if shows_tools else None
        self._is_native = native is not None
        self.tool_format: ToolFormat = native or told_format(template.source)

    def render(
        self, messages: Sequence[Message], options: TemplateOptions = DEFAULT_OPTIONS
    ) -> list[Segment]:
        """The prompt. Raises what `ChatTemplate.render` does."""
        if self.style is not None:
            messages = [self.style.told(each) for each in messages]
            options = replace(options, thoughts_key=self.style.thoughts_key)
        if self._is_native:
            if self.tool_format.takes_one_call:
                messages = one_call_each(messages)
            as_text = self.tool_format.arguments_are_text
            return self._template.render(
                [self._with_known_ids(each) for each in messages],
                replace(options, arguments_are_text=as_text),
            )
        plain = described(messages, options.tools, self.tool_format, has_system=self._has_system)
        return self._template.render(plain, replace(options, tools=()))

    def _shows(
        self, messages: Sequence[Message], options: TemplateOptions = DEFAULT_OPTIONS
    ) -> bool:
        """Whether the probe shows in the prompt."""
        try:
            rendered = self._template.render(messages, options)
        except RequestError:
            return False
        return any(_PROBE in segment.text for segment in rendered)

    def _with_known_ids(self, message: Message) -> Message:
        known = self.tool_format.known_call_id
        calls = tuple(
            ToolCall(known(call.id), call.name, call.arguments) for call in message.tool_calls
        )
        answered = message.tool_call_id
        return replace(
            message, tool_calls=calls, tool_call_id=None if answered is None else known(answered)
        )
