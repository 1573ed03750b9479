"""How much of the processors others took while something was measured: the worth of its figures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_STAT = Path("/proc/stat")

_IDLE_COLUMNS = (3, 4)
"""idle and iowait; guest times, from column 8 on, are counted as user time already (proc(5))."""


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds of processor time since some beginning: of the machine, and of this process.

    `own` includes children that have ended and been waited for. Time that a hypervisor took away
    counts as busy.
    """

    busy: float
    own: float
    total: float


def read_cpu_times() -> CpuTimes | None:
    """The times of now; None where the system has no /proc/stat."""
    try:
        line = _STAT.read_text().partition("\n")[0]
    except OSError:
        return None
    return parse_cpu_times(line, os.sysconf("SC_CLK_TCK"), sum(os.times()[:4]))


def others_share(earlier: CpuTimes | None, later: CpuTimes | None) -> float | None:
    """The part of all processors' time between two moments that was nobody's of ours, 0 to 1."""
    if earlier is None or later is None:
        return None
    others = (later.busy - earlier.busy) - (later.own - earlier.own)
    return max(0.0, others / (later.total - earlier.total))


def parse_cpu_times(line: str, ticks_per_s: int, own: float) -> CpuTimes:
    """From the first line of /proc/stat, the sum over all processors; `own` in seconds."""
    columns = [int(column) / ticks_per_s for column in line.split()[1:9]]
    idle = sum(columns[index] for index in _IDLE_COLUMNS)
    return CpuTimes(busy=sum(columns) - idle, own=own, total=sum(columns))
