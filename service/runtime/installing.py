"""How Retort is installed with what a device needs."""

from __future__ import annotations


def install_command(extra: str) -> str:
    """From a checkout, which is how it is had."""
    return f"pip install -e '.[{extra}]' (in Retort's folder)"
