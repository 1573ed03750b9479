"""What belongs to one request for as long as it lasts, however its reply is made."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from litestar.types import Scope

from service.api.facade import Generation

_KEY: Final = "retort_exchange"


@dataclass(slots=True)
class Exchange:
    """`ends` is closed once the last byte has gone or the client has. The rest is for the log:
    the `model` that was asked for and what it was given and gave, and the `body` where wanted and
    `keeps_body`."""

    request_id: str
    ends: ExitStack = field(default_factory=ExitStack)
    model: str | None = None
    generations: Sequence[Generation] = ()
    num_encoded_tokens: int | None = None
    body: bytes = b""
    keeps_body: bool = True

    @property
    def num_prompt_tokens(self) -> int | None:
        """Each prompt counted once, whatever number of choices it has."""
        if not self.generations:
            return self.num_encoded_tokens
        prompts = {id(each.prompt_token_ids): each.num_prompt_tokens for each in self.generations}
        return sum(prompts.values())

    @property
    def num_output_tokens(self) -> int | None:
        if not self.generations:
            return None
        return sum(each.num_output_tokens for each in self.generations)


def begin_exchange(scope: Scope, request_id: str) -> Exchange:
    exchange = Exchange(request_id)
    scope["state"][_KEY] = exchange
    return exchange


def exchange_of(scope: Scope) -> Exchange:
    exchange: Exchange = scope["state"][_KEY]
    return exchange
