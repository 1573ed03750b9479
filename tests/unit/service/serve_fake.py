"""The real command line and server around a fake pool: for tests of processes and signals."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from service.app import create_app
from service.engine.request import Logprobs
from service.errors import ShuttingDown, StartupError
from service.options import GenerationOptions
from service.server import bound_socket, serve
from service.settings import Settings, read_settings
from tests.unit.service.api.fakes import FakeDelta, FakeModel, FakePool, Script, fake_pool


@dataclass
class TickingGeneration:
    """Says "tick" every 10 ms: as often as the prompt is long, for ever from 999 on.

    From 1000 on each one is as large as many, to fill a connection that nobody reads.
    """

    num_prompt_tokens: int
    closing: asyncio.Event
    prompt_token_ids: Sequence[int] = ()
    num_cached_tokens: int = 0
    num_output_tokens: int = 0
    num_reasoning_tokens: int = 0
    stop_reason: None = None
    prompt_logprobs: Sequence[Logprobs] = ()
    mean_logprob: float = 0.0

    def abort(self) -> None:
        sys.stderr.write("aborted\n")

    async def __aiter__(self) -> AsyncIterator[FakeDelta]:
        text = "tick " * (20_000 if self.num_prompt_tokens >= 1000 else 100)
        while self.num_prompt_tokens >= 999 or self.num_output_tokens < self.num_prompt_tokens:
            self.num_output_tokens += 1
            yield FakeDelta(text)
            await asyncio.sleep(0.01)
            if self.closing.is_set():
                raise ShuttingDown("The server shut down before the answer was complete.")
        yield FakeDelta("", "stop")


@dataclass
class TickingModel(FakeModel):
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def generate(  # type: ignore[override]
        self, prompts: Sequence[Sequence[int]], options: GenerationOptions
    ) -> list[TickingGeneration]:
        return [TickingGeneration(len(prompt), self.closing) for prompt in prompts]


@dataclass
class TickingPool(FakePool):
    async def close(self) -> None:
        assert isinstance(self.model, TickingModel)
        self.model.closing.set()


def open_pool(settings: Settings) -> FakePool:
    if settings.device == "cuda":
        raise StartupError("CUDA does not work here: libcudart is missing")
    return TickingPool(TickingModel(fake_pool(Script()).model.manifest, Script()))


def main() -> int:
    logging.basicConfig(format="retort: %(message)s", level=logging.INFO)
    try:
        settings = read_settings(sys.argv[1:], os.environ)
        with bound_socket(settings) as listener:
            serve(settings, create_app(settings, open_pool), listener)
    except StartupError as error:
        sys.stderr.write(f"retort: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
