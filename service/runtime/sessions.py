"""Sessions of ONNX Runtime, all on one pool of threads."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from service.errors import PackageCorrupt
from service.runtime.ort import ort, reason_of
from service.runtime.providers import Provider


def physical_cores() -> int:
    """Cores this process may use; two threads of one core only slow each other."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    siblings = _threads_per_core()
    return max(1, (usable or 1) // siblings)


@cache
def share_threads(num_threads: int) -> None:
    """Has all sessions of this process compute on one pool of `num_threads` threads.

    With a pool each, two sessions that take turns slow each other twofold: the pool that waits
    keeps spinning on the cores of the one that works. Call it before the first session.
    """
    ort.set_global_thread_pool_sizes(num_threads, 1)


def open_session(
    model: Path | bytes, provider: Provider, *, shapes_on_cpu: bool = False
) -> ort.InferenceSession:
    """The graph in a file, or as bytes, on `provider` and on no other.

    `shapes_on_cpu` leaves small nodes to the processor where ONNX Runtime prefers it, which graphs
    need that compute shapes as they go.
    Raises PackageCorrupt if ONNX Runtime does not accept the graph there.
    """
    options = ort.SessionOptions()
    options.use_per_session_threads = False
    options.log_severity_level = 3
    options.enable_mem_pattern = provider.memory_pattern
    if provider.device != "cpu" and not shapes_on_cpu:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        return ort.InferenceSession(
            model,
            options,
            providers=[(provider.name, dict(provider.options))],
            enable_fallback=0,
        )
    except Exception as error:
        name, reason = "a graph", reason_of(error)
        if isinstance(model, Path):
            name, reason = model.name, reason.replace(f"{model.parent}{os.sep}", "")
        raise PackageCorrupt(
            f"ONNX Runtime cannot load {name} on {provider.device}: {reason}"
        ) from error


def _threads_per_core() -> int:
    try:
        siblings = Path("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list").read_text()
    except OSError:
        return 1
    return max(1, sum(map(_range_length, siblings.strip().split(","))))


def _range_length(text: str) -> int:
    """1 for "3", 4 for "0-3"."""
    first, _, last = text.partition("-")
    return int(last or first) - int(first) + 1
