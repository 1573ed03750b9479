"""`retort create`: makes a model from a Modelfile."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from service.cli.arguments import VerbParser, store_of
from service.cli.errors import CommandError
from service.cli.making import checked_name, export_as, export_model, import_as
from service.cli.models import full_name
from service.cli.output import print_json
from service.modelfile.creating import NeedsExport, NeedsImport, create_from
from service.modelfile.encoding import decoded
from service.modelfile.modelfile import Modelfile, read_modelfile
from service.modelfile.parser import ModelfileError
from service.store.changes import create_model
from service.store.packages import AnyPackage, Store

_DEFAULT_FILE = "Modelfile"


class _Created(msgspec.Struct, frozen=True):
    name: str
    digest: str
    parent: str | None


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0; CommandError or RetortError if the model cannot be made."""
    options = parser().parse_args(arguments)
    checked_name(options.name)
    modelfile, folder = _read(options.file)
    package = _create(store_of(options), options.name, modelfile, folder)
    if options.json:
        print_json(_Created(full_name(package.name), package.id, package.parent))
    else:
        print("success")
    return 0


def parser() -> VerbParser:
    parser = VerbParser("create", __doc__)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "-f",
        "--file",
        default=_DEFAULT_FILE,
        metavar="FILE",
        help="the Modelfile, - for standard input (default: Modelfile in this folder)",
    )
    parser.add_json()
    parser.add_store()
    return parser


def _read(name: str) -> tuple[Modelfile, Path]:
    """The Modelfile, and the folder that its paths start from."""
    path = Path(name)
    try:
        data = sys.stdin.buffer.read() if name == "-" else path.read_bytes()
        return read_modelfile(decoded(data)), Path() if name == "-" else path.parent
    except OSError as error:
        hint = "" if name != _DEFAULT_FILE else " (name one with -f)"
        raise CommandError(f"{name} cannot be read: {error.strerror}{hint}") from None
    except ModelfileError as error:
        raise CommandError(f"{name}: {error}") from None
    except UnicodeDecodeError:
        raise CommandError(
            f"{name} is no text in UTF-8, nor in UTF-16 with a byte order mark"
        ) from None


def _create(store: Store, target: str, modelfile: Modelfile, folder: Path) -> AnyPackage:
    made = create_from(store, target, modelfile, folder)
    if isinstance(made, NeedsImport):
        return import_as(store, target, made.folder, modelfile.overrides)
    if isinstance(made, NeedsExport):
        if Path(made.source).exists():
            return export_as(store, target, made.source, modelfile.overrides)
        # What has a name of its own stays in the store under it, as with Ollama.
        base = export_model(store, made.source)
        return create_model(store, target, base.name, modelfile.overrides)
    return made
