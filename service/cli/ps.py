"""`retort ps`: lists the models that the running service has loaded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from service.cli.arguments import VerbParser
from service.cli.client.service import LoadedModel, running_service
from service.cli.models import short_id
from service.cli.output import amount_of_bytes, print_json, print_table, until

_HEAD = ("name", "id", "size", "processor", "context", "until")


class _Listing(msgspec.Struct, frozen=True):
    models: list[LoadedModel]


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0; NoServer if none answers."""
    options = parser().parse_args(arguments)
    models = running_service().loaded()
    if options.json:
        print_json(_Listing(models))
    else:
        print_table(_HEAD, [_row(model) for model in models])
    return 0


def parser() -> VerbParser:
    parser = VerbParser("ps", __doc__)
    parser.add_json()
    return parser


def _row(model: LoadedModel) -> tuple[str, ...]:
    return (
        model.name,
        short_id(model.digest),
        amount_of_bytes(model.size),
        _processor(model),
        str(model.context_length),
        until(model.expires_at),
    )


def _processor(model: LoadedModel) -> str:
    """What share of it lies where, as Ollama says it."""
    share = round(100 * model.size_vram / model.size) if model.size else 0
    if share in (0, 100):
        return "100% GPU" if share else "100% CPU"
    return f"{100 - share}%/{share}% CPU/GPU"
