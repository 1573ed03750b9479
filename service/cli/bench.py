"""`retort bench`: measures how fast a model reads and writes on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from service.cli.arguments import VerbParser, settings_of
from service.cli.errors import CommandError, WrongUsage
from service.cli.models import found, full_name
from service.cli.output import print_json, print_table
from service.cli.rates import Rates, Work
from service.settings import Settings
from service.store.packages import EncoderPackage, Store

_SHORTEST = 16


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0; CommandError for a model that generates no text."""
    options = parser().parse_args(arguments)
    if min(options.prompt_tokens, options.tokens) < _SHORTEST or options.rounds < 1:
        raise WrongUsage(f"lengths are at least {_SHORTEST} tokens, and rounds at least one")
    settings = settings_of(options)
    package = found(Store(settings.models_folder), options.name)
    if isinstance(package, EncoderPackage):
        raise CommandError(f"{package.name} generates no text; bench measures models that do")
    num_tokens = options.prompt_tokens + options.tokens
    if num_tokens > package.manifest.context_length:
        raise WrongUsage(f"{package.name} holds {package.manifest.context_length} tokens")
    work = Work(full_name(package.name), options.prompt_tokens, options.tokens, options.rounds)
    rates = _measured(settings, work)
    if options.json:
        print_json(rates)
    else:
        _print(rates)
    return 0


def parser() -> VerbParser:
    parser = VerbParser("bench", __doc__)
    parser.add_argument("name", metavar="MODEL")
    parser.add_argument("--prompt-tokens", type=int, default=512, metavar="N", help="(default 512)")
    parser.add_argument("--tokens", type=int, default=64, metavar="N", help="to write (default 64)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(default 3)")
    parser.add_json()
    parser.add_store()
    return parser


def _measured(settings: Settings, work: Work) -> Rates:
    # Imported here: ONNX Runtime takes its time, and `--help` does without it.
    from service.cli.measuring import measured  # noqa: PLC0415

    return asyncio.run(measured(settings, work))


def _print(rates: Rates) -> None:
    print_table(
        ("model", "device", "load", "prefill", "decode"),
        [
            (
                rates.model,
                rates.device,
                f"{rates.load_s:.1f} s",
                f"{rates.prefill_tokens_per_s:.0f} tokens/s",
                f"{rates.decode_tokens_per_s:.1f} tokens/s",
            )
        ],
    )
