"""`retort` as a person at a terminal, or a script, has it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
_LIMIT_S = 60
COMMAND = [sys.executable, "-W", "error", "-m", "service"]


@dataclass(frozen=True)
class CommandLine:
    """Commands on one store; `port` is that of the service, if one runs. `variables` are set
    beside the others."""

    models: Path
    home: Path
    port: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)

    def having(self, **variables: str) -> CommandLine:
        """The same with these set."""
        return replace(self, variables=variables)

    def environment(self) -> dict[str, str]:
        own = {"RETORT_MODELS": str(self.models), "RETORT_PORT": str(self.port)}
        home = {"HOME": str(self.home), "XDG_DATA_HOME": str(self.home)}
        return {**os.environ, **own, **home, **self.variables}

    def run(
        self, *arguments: str | Path, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL if stdin is None else None,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            # So that what is no text can be given and comes back.
            errors="surrogateescape",
            timeout=_LIMIT_S,
            check=False,
        )

    def output(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What a command prints that succeeds."""
        finished = self.run(*arguments, stdin=stdin)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    def json(self, *arguments: str | Path) -> Any:  # noqa: ANN401  what the test then says of it
        return json.loads(self.output(*arguments, "--json"))

    def refusal(self, *arguments: str | Path, status: int = 1, stdin: str | None = None) -> str:
        """The one line that a command says which fails with `status`."""
        finished = self.run(*arguments, stdin=stdin)
        assert finished.returncode == status, finished
        assert finished.stdout == ""
        (line,) = finished.stderr.splitlines()
        return line

    @contextmanager
    def terminal(self, *arguments: str) -> Iterator[Terminal]:
        """The command in a pseudo-terminal; ended at the end if it still runs."""
        import pty  # noqa: PLC0415  Windows has none, and the tests that need it skip there

        pid, descriptor = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            os.execve(sys.executable, [*COMMAND, *arguments], self.environment())
        terminal = Terminal(pid, descriptor)
        try:
            yield terminal
        finally:
            terminal.close()


class Terminal:
    """What stands on the screen since the last look, and a keyboard."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self._pid = pid
        self._descriptor = descriptor
        self._seen = ""
        self._status: int | None = None

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode(errors="surrogateescape"))

    def interrupt(self) -> None:
        """Ctrl-C, once the command waits: Python's readline shows its prompt before it waits for
        what is typed, and a signal between the two is noticed at the next key alone."""
        deadline = time.monotonic() + _LIMIT_S
        process = psutil.Process(self._pid)
        while process.status() != psutil.STATUS_SLEEPING:
            assert time.monotonic() < deadline, process.status()
        self.type("\x03")

    def until(self, text: str) -> str:
        """What is shown up to `text`, and that."""
        deadline = time.monotonic() + _LIMIT_S
        while text not in self._seen:
            assert time.monotonic() < deadline, f"no {text!r} in {self._seen!r}"
            assert self._more(0.2), f"it ended without {text!r}: {self._seen!r}"
        end = self._seen.index(text) + len(text)
        shown, self._seen = self._seen[:end], self._seen[end:]
        return shown

    def ask(self, line: str, prompt: str = ">>> ") -> str:
        """Types a line, and gives what is shown up to the next prompt, without the line."""
        self.type(f"{line}\n")
        return self.until(f"\n{prompt}").removesuffix(prompt).replace("\r", "").partition("\n")[2]

    def rest(self) -> str:
        """What has been shown and not been looked at yet."""
        return self._seen

    def status(self) -> int:
        """Of the ended process; what it still shows is read."""
        deadline = time.monotonic() + _LIMIT_S
        while self._more(0.2):
            assert time.monotonic() < deadline, self._seen
        return self._wait()

    def close(self) -> None:
        if self._status is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, 9)
            self._wait()
        os.close(self._descriptor)

    def _wait(self) -> int:
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._status

    def _more(self, limit_s: float) -> bool:
        """Whether it goes on; reads what there is."""
        readable, _, _ = select.select([self._descriptor], [], [], limit_s)
        if not readable:
            return True
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # how Linux says that the other side is closed
            return False
        self._seen += data.decode(errors="replace")
        return bool(data)


def names_in(listing: Mapping[str, list[Mapping[str, object]]]) -> list[object]:
    return [model["name"] for model in listing["models"]]
