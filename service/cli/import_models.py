"""`retort import`: takes over the models of an Ollama, exporting each from its GGUF blob."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from service.cli.arguments import VerbParser, store_of
from service.cli.errors import CommandError
from service.cli.making import checked_name, export_as
from service.cli.models import full_name
from service.cli.ollama_store import OllamaModel, OllamaStore
from service.cli.output import print_json
from service.errors import RetortError
from service.store.names import ModelName
from service.store.packages import Store

_PLACES = ("~/.ollama/models", "/usr/share/ollama/.ollama/models", "/var/lib/ollama/models")


class _Outcome(msgspec.Struct, frozen=True):
    """`status` is imported, present or failed, of which `problem` says why where that is known."""

    name: str
    status: str
    problem: str | None = None


class _Outcomes(msgspec.Struct, frozen=True):
    models: list[_Outcome]


def run(arguments: Sequence[str]) -> int:
    """The exit status: 1 if a model could not be imported, else 0."""
    options = parser().parse_args(arguments)
    ollama = OllamaStore(_folder(options.folder))
    names = [checked_name(text) for text in options.names] or ollama.names()
    if not names:
        raise CommandError(f"there are no models in {ollama.root}")
    store = store_of(options)
    outcomes = []
    for name in names:
        outcome = _imported(ollama, store, name, own_template=options.own_template)
        outcomes.append(outcome)
        if not options.json:
            _tell(outcome)
    if options.json:
        print_json(_Outcomes(outcomes))
    return int(any(outcome.status == "failed" for outcome in outcomes))


def parser() -> VerbParser:
    parser = VerbParser("import", __doc__)
    parser.add_argument("names", nargs="*", metavar="MODEL", help="(default: all there are)")
    parser.add_argument(
        "--from",
        dest="folder",
        metavar="DIR",
        help=f"where Ollama keeps its models (default: {_PLACES[0]}, or where its service does)",
    )
    parser.add_argument(
        "--own-template",
        action="store_true",
        help="use the templates that are in the weights, not Ollama's",
    )
    parser.add_json()
    parser.add_store()
    return parser


def _folder(given: str | None) -> Path:
    places = [Path(place).expanduser() for place in ([given] if given else _PLACES)]
    for place in places:
        if (place / "manifests").is_dir():
            return place
    raise CommandError(f"there is no store of Ollama in {places[0]}; say where with --from DIR")


def _imported(
    ollama: OllamaStore, store: Store, name: ModelName, *, own_template: bool
) -> _Outcome:
    shown = full_name(name)
    if name in store.names():
        return _Outcome(shown, "present")
    try:
        model = ollama.read(name, own_template=own_template)
        with _as_gguf(model) as path:
            export_as(store, str(name), str(path), model.overrides)
    except RetortError as error:
        return _Outcome(shown, "failed", error.message or None)
    return _Outcome(shown, "imported")


@contextmanager
def _as_gguf(model: OllamaModel) -> Iterator[Path]:
    """The weights under a name that says what they are, which takes no room where links work."""
    with tempfile.TemporaryDirectory(prefix="retort-import-") as folder:
        path = Path(folder) / f"{model.name.path[-1]}.gguf"
        try:
            path.symlink_to(model.weights.resolve())
        except OSError:
            shutil.copyfile(model.weights, path)
        yield path


def _tell(outcome: _Outcome) -> None:
    if outcome.status == "failed":
        if outcome.problem:
            print(f"retort: {outcome.name}: {outcome.problem}", file=sys.stderr)
    elif outcome.status == "present":
        print(f"{outcome.name} is here already; `retort rm` it first to import it again")
    else:
        print(f"imported '{outcome.name}'")
