"""Sessions of ONNX Runtime, all on one pool of threads."""

from __future__ import annotations

import logging
import os
from contextlib import nullcontext
from functools import cache
from pathlib import Path

from service.errors import PackageCorrupt
from service.runtime.huge_pages import in_huge_pages
from service.runtime.ort import ort, reason_of
from service.runtime.placement import (
    left_to_processor,
    listed,
    nodes_on_processor,
    record_placement,
    refuse_placement,
)
from service.runtime.providers import Provider

_log = logging.getLogger(__name__)


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
    model: Path | bytes,
    provider: Provider,
    *,
    shapes_on_cpu: bool = False,
    captures: bool = False,
) -> ort.InferenceSession:
    """The graph in a file, or as bytes, on `provider` and on no other.

    `shapes_on_cpu` leaves small nodes to the processor where ONNX Runtime prefers it, which graphs
    need that compute shapes as they go; the log says which. `captures` is for sessions whose runs
    may be captured, by the provider's `capture_options`.
    Raises PackageCorrupt if ONNX Runtime does not accept the graph there, naming the nodes that
    it would leave to the processor if that is why.
    """
    options = _options(provider, refuses_processor=provider.device != "cpu" and not shapes_on_cpu)
    settings = {**provider.options, **(provider.capture_options if captures else {})}
    try:
        with in_huge_pages() if provider.device == "cpu" else nullcontext():
            session = ort.InferenceSession(
                model, options, providers=[(provider.name, settings)], enable_fallback=0
            )
    except Exception as error:
        name, reason = "a graph", reason_of(error)
        if isinstance(model, Path):
            name, reason = model.name, reason.replace(f"{model.parent}{os.sep}", "")
        if left := _left_out(model, provider, reason):
            reason = f"it has no kernels for {left}"
        raise PackageCorrupt(
            f"ONNX Runtime cannot load {name} on {provider.device}: {reason}"
        ) from error
    if provider.device != "cpu" and (nodes := nodes_on_processor(session)):
        _log.warning("left to the processor by %s: %s", provider.device, listed(nodes))
    return session


def _options(provider: Provider, *, refuses_processor: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.use_per_session_threads = False
    options.log_severity_level = 3
    options.enable_mem_pattern = provider.memory_pattern
    # DirectML runs nothing in parallel, and nothing else here gains by it.
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    if provider.device != "cpu":
        record_placement(options)
    if refuses_processor:
        refuse_placement(options)
    return options


def _left_out(model: Path | bytes, provider: Provider, reason: str) -> str:
    """The nodes that a graph was refused for, if `reason` is that it has some."""
    return left_to_processor(model, provider) if "fallback to CPU EP" in reason else ""


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
