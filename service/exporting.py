"""Exports that a running service is asked for, each a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from service.errors import ExportFailed, Overloaded, ShuttingDown
from service.export_process import ENDS_WITH_INPUT
from service.store.names import ModelName

MAX_EXPORTS: Final = 4
"""That run at once: each may want as much memory as a model."""

_ROOT: Final = Path(__file__).parents[1]
_LINE_LIMIT: Final = 1 << 20
_ERROR_PREFIX: Final = "export: "


class Step(msgspec.Struct, frozen=True):
    """How far a step of an export is, as its process tells it; both in `unit`, "B" for bytes."""

    step: str
    done: int = 0
    total: int | None = None
    unit: str = "B"


@dataclass(frozen=True, slots=True)
class ExportJob:
    """`source` is what the export is given and `name` what the package is called; `device` whose
    kernels it is for, None for what the export itself would choose; `models` the store it goes
    to, None for the service's own."""

    source: str
    name: ModelName
    device: str | None = None
    models: Path | None = None


@dataclass(eq=False, slots=True)
class _Running:
    """One export and those who follow it, each of whom reads the newest step at its own pace."""

    task: asyncio.Task[None] | None = None
    num_followers: int = 0
    is_over: bool = False
    step: Step | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, step: Step | None = None) -> None:
        self.step = step or self.step
        told, self.changed = self.changed, asyncio.Event()
        told.set()


class Exports:
    """At most one export of a name runs; who asks for it meanwhile follows that one. An export that
    nobody follows any more is ended, which leaves nothing behind."""

    def __init__(self, models: Path, *, command: Sequence[str] | None = None) -> None:
        """Into the store `models`. `command` runs an export, by default this Python's."""
        self._models = models
        self._command = command or (sys.executable, "-m", "export")
        self._running: dict[ModelName, _Running] = {}
        self._is_closed = False

    async def follow(self, job: ExportJob) -> AsyncGenerator[Step, None]:
        """Begins the export unless it runs, and tells how far it is until it is over.

        Raises ExportFailed, saying why, Overloaded, or ShuttingDown.
        """
        running = self._running.get(job.name) or self._begun(job)
        running.num_followers += 1
        try:
            async for step in _steps(running):
                yield step
        finally:
            running.num_followers -= 1
            if not running.num_followers:
                self._forget(job.name, running)
                await _ended(running)

    async def close(self) -> None:
        """Ends all of them."""
        self._is_closed = True
        await asyncio.gather(*(_ended(each) for each in list(self._running.values())))

    def _begun(self, job: ExportJob) -> _Running:
        if self._is_closed:
            raise ShuttingDown("The server is shutting down.")
        if len(self._running) >= MAX_EXPORTS:
            raise Overloaded(f"{MAX_EXPORTS} models are being exported already.")
        running = self._running[job.name] = _Running()
        running.task = asyncio.create_task(self._export(job, running))
        running.task.add_done_callback(lambda _: self._forget(job.name, running))
        return running

    def _forget(self, name: ModelName, running: _Running) -> None:
        """The next one who asks begins anew, and waits for what is still ending."""
        if self._running.get(name) is running:
            del self._running[name]
        running.is_over = True
        running.tell()

    async def _export(self, job: ExportJob, running: _Running) -> None:
        # In an empty folder no name is taken for a file.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            await self._run(job, running, folder)

    async def _run(self, job: ExportJob, running: _Running, folder: str) -> None:
        models = str((job.models or self._models).absolute())
        arguments = ["--models", models, "--name", str(job.name), "--progress", "json"]
        arguments.append(ENDS_WITH_INPUT)
        if job.device is not None:
            arguments += ["--for", job.device]
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            "--",
            job.source,
            cwd=folder,
            env=_environment(os.environ),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=PIPE,
            limit=_LINE_LIMIT,
        )
        try:
            said = await _listen(process, running)
            if await process.wait():
                raise ExportFailed(said or "The export failed.")
        finally:
            await _stopped(process)


async def _steps(running: _Running) -> AsyncIterator[Step]:
    """The newest step at each time. Raises what the export ended in."""
    last: Step | None = None
    while True:
        changed = running.changed
        if running.step is not None and running.step != last:
            last = running.step
            yield last
        elif running.is_over:
            assert running.task is not None
            if running.task.cancelled():
                raise ShuttingDown("The server is shutting down.")
            running.task.result()
            return
        else:
            await changed.wait()


async def _listen(process: Process, running: _Running) -> str:
    """What it said last that was an error."""
    assert process.stderr is not None
    error = ""
    async for raw in process.stderr:
        text = raw.decode(errors="replace").strip()
        if text.startswith(_ERROR_PREFIX):
            error = text.removeprefix(_ERROR_PREFIX)
            continue
        with suppress(msgspec.DecodeError):
            running.tell(msgspec.json.decode(raw, type=Step))
    return error


async def _ended(running: _Running) -> None:
    task = running.task
    if task is not None and not task.done():
        task.cancel()
    if task is not None:
        await asyncio.gather(task, return_exceptions=True)


async def _stopped(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """This program's code is found from any folder."""
    paths = [str(_ROOT), *filter(None, [own.get("PYTHONPATH")])]
    return {**own, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
