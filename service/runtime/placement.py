"""Which nodes of a graph a provider leaves to the processor."""

from __future__ import annotations

from pathlib import Path

from service.runtime.ort import ort
from service.runtime.providers import CPU, Provider

_MAX_NAMED = 4


def nodes_on_processor(session: ort.InferenceSession) -> list[str]:
    """The nodes that run on the processor, as `name (operator)`.

    `session` has to have been opened with `record_placement`.
    """
    return [
        f"{node.name or 'a node'} ({node.op_type})"
        for subgraph in session.get_provider_graph_assignment_info()
        if subgraph.ep_name == CPU.name
        for node in subgraph.get_nodes()
    ]


def record_placement(options: ort.SessionOptions) -> None:
    """Has sessions of `options` keep what `nodes_on_processor` tells."""
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")


def refuse_placement(options: ort.SessionOptions) -> None:
    """Has ONNX Runtime refuse graphs of which a node would run on the processor."""
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")


def left_to_processor(model: Path | bytes, provider: Provider) -> str:
    """What a graph that was refused for it would leave to the processor: the first nodes by name,
    and how many more; empty if it would leave nothing there, or does not load at all."""
    options = ort.SessionOptions()
    options.use_per_session_threads = False
    options.log_severity_level = 4
    record_placement(options)
    try:
        session = ort.InferenceSession(
            model, options, providers=[(provider.name, dict(provider.options))], enable_fallback=0
        )
    except Exception:  # noqa: BLE001  why it does not load was said when it was refused
        return ""
    return listed(nodes_on_processor(session))


def listed(nodes: list[str]) -> str:
    """The first of `nodes` and the number of those left out."""
    more = len(nodes) - _MAX_NAMED
    return ", ".join(nodes[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
