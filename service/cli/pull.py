"""`retort pull`: gets a model, which is to fetch its weights and make a package of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import msgspec

from service.cli.arguments import VerbParser, store_of
from service.cli.making import export_model
from service.cli.models import full_name
from service.cli.output import print_json

_FLAGS = (
    ("--name", "NAME", "what the package is called (default: from the source)"),
    ("--revision", "REVISION", "branch, tag or commit of a hub repository"),
    ("--precision", "PRECISION", "how weights are stored"),
    ("--for", "DEVICE", "the device whose kernels the graph is made for"),
    ("--context", "TOKENS", "the longest sequence to serve"),
    ("--prefill", "KIND", "int8 adds a graph that reads prompts faster"),
)
"""Those of `python -m export`, which checks and explains their values."""


class _Pulled(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    digest: str
    size: int
    precision: str
    folder: str
    verification: str


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0; Told if the export failed."""
    options = parser().parse_args(arguments)
    store = store_of(options)
    made = export_model(store, options.source, export_flags(options))
    package = store.find(made.name)
    if options.json:
        pulled = _Pulled(
            name=full_name(package.name),
            digest=package.id,
            size=package.manifest.weights_bytes,
            precision=made.precision,
            folder=made.folder,
            verification=made.verification,
        )
        print_json(pulled)
    else:
        print(f"{made.name} ({made.precision}): {made.verification}\nsuccess")
    return 0


def parser() -> VerbParser:
    parser = VerbParser("pull", __doc__)
    parser.add_argument(
        "source",
        metavar="NAME|ORG/REPO|FOLDER|FILE.gguf",
        help="a name of the catalogue (`python -m export --list`), a repository on the Hugging "
        "Face hub, a local folder or a GGUF file",
    )
    for flag, metavar, told in _FLAGS:
        parser.add_argument(flag, metavar=metavar, help=told, dest=_field(flag))
    parser.add_argument("--offline", action="store_true", help="use only what was fetched before")
    parser.add_json()
    parser.add_store()
    return parser


def export_flags(options: argparse.Namespace) -> list[str]:
    """The flags that were given, as `python -m export` takes them."""
    given = [(flag, getattr(options, _field(flag))) for flag, _, _ in _FLAGS]
    flags = [word for flag, value in given if value is not None for word in (flag, value)]
    return flags + ["--offline"] * options.offline


def _field(flag: str) -> str:
    return f"export_{flag.removeprefix('--')}"
