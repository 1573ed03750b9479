"""The official Node client against a real server."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.clients.node import Node
from tests.e2e.clients.python_openai import Servers

SCRIPT = Path(__file__).parent / "clients" / "node_openai.mjs"


def test_every_check_passes(node: Node, servers: Servers) -> None:
    output = node.run(SCRIPT, servers.url, servers.guarded_url, servers.key)
    assert output.count("passed: ") == 13
