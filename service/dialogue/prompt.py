"""What a conversation is rendered with, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from service.dialogue.styles.start import Start
from service.dialogue.tools.tool import Tool

TemplateValue: TypeAlias = bool | str


@dataclass(frozen=True, slots=True)
class TemplateOptions:
    """`variables` are given to the template besides the messages, as (name, value) pairs, and
    `tools` are what the model is told that it may call.

    With `continues_final_message` the prompt ends where the last message's text ends, so that the
    answer goes on with it; otherwise an answer of its own begins, or none without
    `begins_answer`. `arguments_are_text`: past calls' arguments are given as JSON, and not as
    values; past thoughts go by the name `thoughts_key`.
    """

    variables: tuple[tuple[str, TemplateValue], ...] = ()
    continues_final_message: bool = False
    begins_answer: bool = True
    tools: tuple[Tool, ...] = ()
    arguments_are_text: bool = False
    thoughts_key: str = "reasoning_content"


DEFAULT_OPTIONS = TemplateOptions()


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """`may_reason`: the model's template knows of thoughts, with which the answer may begin;
    `starts_in_reasoning`: the prompt ends inside them."""

    token_ids: list[int]
    may_reason: bool = False
    starts_in_reasoning: bool = False

    @property
    def start(self) -> Start:
        """Where it leaves off, for a model whose answers may begin with thoughts."""
        if not self.may_reason:
            return Start.TEXT
        return Start.THOUGHTS if self.starts_in_reasoning else Start.ANSWER
