"""`retort show`: tells what a model is, and what holds for it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from service.cli.arguments import VerbParser, store_of
from service.cli.description import described, sections
from service.cli.errors import CommandError
from service.cli.models import found
from service.cli.output import print_json
from service.modelfile.printing import effective_overrides, modelfile_of, parameters_text
from service.store.packages import AnyPackage, Store

PARTS = ("license", "modelfile", "parameters", "template", "system")


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0; CommandError if there is no such model, or it lacks what is asked for."""
    options = parser().parse_args(arguments)
    store = store_of(options)
    package = found(store, options.name)
    part = _part(options)
    if options.json:
        print_json(described(store, package))
    elif part is not None:
        print(text_of(store, package, part))
    else:
        print("\n".join(sections(package, verbose=options.verbose)))
    return 0


def parser() -> VerbParser:
    parser = VerbParser("show", __doc__)
    parser.add_argument("name", metavar="MODEL")
    one = parser.add_mutually_exclusive_group()
    for part in PARTS:
        one.add_argument(f"--{part}", action="store_true", help=f"print the {part} alone")
    parser.add_argument("-v", "--verbose", action="store_true", help="print all that is known")
    parser.add_json()
    parser.add_store()
    return parser


def text_of(store: Store, package: AnyPackage, part: str, *, none: str = "") -> str:
    """One of PARTS, or `none` if the model has none. Raises CommandError if that is empty,
    PackageCorrupt."""
    held = effective_overrides(package)
    if part == "modelfile":
        return _modelfile(store, package)
    said = {
        "license": "\n\n".join(held.licenses) or package.manifest.source.license or "",
        "parameters": parameters_text(held.parameters),
        "template": held.template or "",
        "system": held.system or "",
    }[part]
    if not (said or none):
        raise CommandError(f"the model {package.name} has no {part}")
    return (said or none).rstrip("\n")


def _modelfile(store: Store, package: AnyPackage) -> str:
    try:
        return modelfile_of(store, package).rstrip("\n")
    except ValueError as error:
        raise CommandError(f"the model {package.name} has no Modelfile: {error}") from None


def _part(options: argparse.Namespace) -> str | None:
    return next((part for part in PARTS if getattr(options, part)), None)
