"""What a long step tells the person who waits: bytes done, bytes to do, time left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn, TextIO

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 20.0
"""Where there are no bars, a long step says this often how far it is."""
_SECONDS_BETWEEN_OBJECTS = 0.25
"""The same to a program."""


class Style(Enum):
    """How progress is shown."""

    BAR = "bar"
    LINES = "lines"
    JSON = "json"
    """An object a line, for programs: `step`, `done`, `total`, `unit`, or `note`."""


@dataclass(slots=True)
class Step:
    """One running step; `done` and `total` count in the step's unit."""

    total: int | None
    done: int = 0
    bar: tqdm[NoReturn] | None = None
    report: Callable[[int, int | None], None] | None = None

    def advance(self, amount: int) -> None:
        """Reports `amount` more units as done."""
        self.done += amount
        if self.bar is not None:
            self.bar.update(amount)
        if self.report is not None:
            self.report(self.done, self.total)

    def reach(self, position: int) -> None:
        """Reports that `position` units are done in all; never moves backwards."""
        limit = position if self.total is None else min(position, self.total)
        if limit > self.done:
            self.advance(limit - self.done)


@dataclass(frozen=True, slots=True)
class Progress:
    """Shows steps on `stream`: a bar each, or one line each when done."""

    stream: TextIO
    style: Style
    seconds_between_lines: float = _SECONDS_BETWEEN_LINES

    @classmethod
    def on(cls, stream: TextIO) -> Progress:
        """Bars on a terminal, lines elsewhere."""
        return cls(stream, Style.BAR if stream.isatty() else Style.LINES)

    @classmethod
    def for_programs(cls, stream: TextIO) -> Progress:
        """Lines that a program reads."""
        return cls(stream, Style.JSON, _SECONDS_BETWEEN_OBJECTS)

    @contextmanager
    def step(self, title: str, total: int | None = None, unit: str = "B") -> Iterator[Step]:
        """Runs one step. `total` is None where it is not known; `unit` "B" means bytes."""
        started_s = time.monotonic()
        if self.style is not Style.BAR:
            step = Step(total, report=self._reporter(title, unit))
            if self.style is Style.JSON:
                self._object(title, 0, total, unit)
            yield step
            if self.style is Style.JSON:
                self._object(title, step.done, total, unit)
                return
            self._line(title, step.done, unit, time.monotonic() - started_s)
            return
        with tqdm(
            desc=title, total=total, unit=unit, unit_scale=True, file=self.stream, leave=True
        ) as bar:
            yield Step(total, bar=bar)

    def note(self, text: str) -> None:
        """Says something once, between or above the bars."""
        if self.style is Style.BAR:
            tqdm.write(text, file=self.stream)
        elif self.style is Style.JSON:
            self._write({"note": text})
        else:
            self.stream.write(f"{text}\n")

    def warn(self, text: str) -> None:
        """Says what nobody should miss, whatever the style."""
        tqdm.write(f"warning: {text}", file=self.stream)

    def _reporter(self, title: str, unit: str) -> Callable[[int, int | None], None]:
        """Writes a line now and then: what is done, how fast it goes, how long it will take."""
        started_s = time.monotonic()
        last_s = started_s

        def report(done: int, total: int | None) -> None:
            nonlocal last_s
            now_s = time.monotonic()
            if now_s - last_s < self.seconds_between_lines or done == total:
                return
            last_s = now_s
            if self.style is Style.JSON:
                self._object(title, done, total, unit)
                return
            rate = done / max(now_s - started_s, 1e-9)
            self.stream.write(f"{title}: {_how_far(done, total, unit, rate)}\n")
            self.stream.flush()

        return report

    def _object(self, title: str, done: int, total: int | None, unit: str) -> None:
        self._write({"step": title, "done": done, "total": total, "unit": unit})

    def _write(self, content: dict[str, str | int | None]) -> None:
        self.stream.write(f"{json.dumps(content)}\n")
        self.stream.flush()

    def _line(self, title: str, done: int, unit: str, elapsed_s: float) -> None:
        amount = f" {format_amount(done, unit)}" if done else ""
        self.stream.write(f"{title}:{amount} in {elapsed_s:.1f} s\n")
        self.stream.flush()


def _how_far(done: int, total: int | None, unit: str, rate: float) -> str:
    """`rate` is per second."""
    speed = f"{format_amount(round(rate), unit)}/s"
    if total is None or not rate:
        return f"{format_amount(done, unit)}, {speed}"
    left = tqdm.format_interval(round((total - done) / rate))
    return f"{format_amount(done, unit)} of {format_amount(total, unit)}, {speed}, {left} left"


def format_amount(amount: int, unit: str = "B") -> str:
    """`amount` with a decimal prefix, as in "98.4 MB"; counts other than bytes are kept whole."""
    if unit != "B":
        return f"{amount} {unit}"
    scaled = float(amount)
    for prefix in ("", "k", "M", "G"):
        if scaled < 1000:
            return f"{scaled:.1f} {prefix}B" if prefix else f"{amount} B"
        scaled /= 1000
    return f"{scaled:.1f} TB"
