"""`retort version`: prints the version of Retort."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import msgspec

from service.cli.arguments import VerbParser
from service.cli.output import print_json


class _Version(msgspec.Struct, frozen=True):
    version: str


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0."""
    options = parser().parse_args(arguments)
    if options.json:
        print_json(_Version(_installed()))
    else:
        print(f"retort version is {_installed()}")
    return 0


def parser() -> VerbParser:
    parser = VerbParser("version", __doc__)
    parser.add_json()
    return parser


def _installed() -> str:
    try:
        return version("retort")
    except PackageNotFoundError:
        return "0 (not installed, run from its source)"
