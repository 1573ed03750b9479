"""What a derived model says before every conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from service.dialogue.message import Message


@dataclass(frozen=True, slots=True)
class Opening:
    """`system` is said unless a conversation begins with a system message of its own; `messages`
    follow that, in front of the conversation's other messages."""

    system: str | None = None
    messages: tuple[Message, ...] = ()

    def before(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The whole conversation; nothing is put before no messages at all."""
        if not messages:
            return messages
        own = [*takewhile(lambda message: message.role == "system", messages)]
        rest = messages[len(own) :]
        if not own and self.system:
            own = [Message("system", self.system)]
        return [*own, *self.messages, *rest]
