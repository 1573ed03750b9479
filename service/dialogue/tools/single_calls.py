"""Conversations for templates that take one call a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from service.dialogue.message import Message


def one_call_each(messages: Sequence[Message]) -> list[Message]:
    """The same conversation with one call a message, each followed by its result.

    What an assistant thought and said beside its calls stays with the first of them.
    """
    told: list[Message] = []
    index = 0
    while index < len(messages):
        message = messages[index]
        index += 1
        if len(message.tool_calls) < 2:
            told.append(message)
            continue
        results = [*takewhile(lambda each: each.role == "tool", messages[index:])]
        index += len(results)
        told += _apart(message, results)
    return told


def _apart(message: Message, results: Sequence[Message]) -> list[Message]:
    told: list[Message] = []
    left = [*results]
    for number, call in enumerate(message.tool_calls):
        alone = replace(message, tool_calls=(call,))
        told.append(alone if number == 0 else replace(alone, content="", reasoning=None))
        # Results that name no call are in the order of the calls.
        own = next((each for each in left if each.tool_call_id in (call.id, None)), None)
        if own is not None:
            told.append(own)
            left.remove(own)
    return told + left
