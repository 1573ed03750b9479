"""`retort stop`: has the running service unload a model."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from service.cli.arguments import VerbParser
from service.cli.client.service import running_service
from service.cli.errors import CommandError
from service.cli.output import print_json
from service.errors import ModelNotFound


class _Stopped(msgspec.Struct, frozen=True):
    """`stopped` is false where the model was not loaded."""

    name: str
    stopped: bool


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0; CommandError if there is no such model or no service."""
    options = parser().parse_args(arguments)
    service = running_service()
    try:
        stopped = service.unload(options.name)
    except ModelNotFound as error:
        raise CommandError(f"{error.message} `retort ps` shows what is loaded.") from None
    if options.json:
        print_json(_Stopped(options.name, stopped))
    return 0


def parser() -> VerbParser:
    parser = VerbParser("stop", __doc__)
    parser.add_argument("name", metavar="MODEL")
    parser.add_json()
    return parser
