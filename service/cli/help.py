"""`retort help`: lists the verbs, or explains one."""

from __future__ import annotations

from collections.abc import Sequence

from service.cli.arguments import VerbParser
from service.cli.errors import WrongUsage
from service.cli.verb import VERBS, find


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0."""
    options = parser().parse_args(arguments)
    if options.verb is None:
        print("\n".join(_lines()))
        return 0
    verb = find(options.verb)
    if verb is None:
        raise WrongUsage(f"{options.verb[:80]!r} is no command (retort help lists them)")
    return verb.load()(["--help"])


def parser() -> VerbParser:
    parser = VerbParser("help", __doc__)
    parser.add_argument("verb", nargs="?", metavar="COMMAND")
    return parser


def _lines() -> list[str]:
    width = max(len(verb.name) for verb in VERBS)
    return [
        "Runs models on ONNX Runtime, and serves them as OpenAI and Ollama do.",
        "",
        "usage: retort COMMAND [...]",
        "",
        *(f"  {verb.name:<{width}}  {verb.help}{_aliases(verb.aliases)}" for verb in VERBS),
        "",
        "`retort COMMAND --help` tells about a command, `retort serve --help` has the settings.",
    ]


def _aliases(aliases: Sequence[str]) -> str:
    return f" (also {', '.join(aliases)})" if aliases else ""
