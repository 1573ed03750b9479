"""`python -m export NAME|FOLDER|FILE.gguf`: makes a package for the service."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from export.catalog import load_catalog
from export.catalog_list import render_json, render_list
from export.decoder.precision import Precision
from export.decoder.target import Target
from export.errors import ExportError
from export.lifeline import end_with
from export.pipeline import Exported, run
from export.progress import Progress
from export.recipe import Job
from export.sources.resolver import is_offline
from service.store.locations import expanded, models_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    options = _parse(arguments)
    if options.list:
        print((render_json if options.json else render_list)(load_catalog()))
        return 0
    signal.signal(signal.SIGTERM, _stop)
    if options.source is None:
        print("export: name a model, a folder or a GGUF file (--list shows names)", file=sys.stderr)
        return 2
    if options.ends_with_input:
        end_with(sys.stdin.fileno())
    try:
        exported = run(_job(options), _progress(options))
        print(_summary_json(exported) if options.json else _summary(exported))
    except ExportError as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"export: {error.strerror or error}: {error.filename or ''}".rstrip(": "),
            file=sys.stderr,
        )
        return 1
    except MemoryError:
        print("export: not enough memory for this model", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("export: interrupted; nothing was changed", file=sys.stderr)
        return 130
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    # argparse takes the value out of --name=-- and leaves an empty list.
    for name, value in vars(options).items():
        if value == []:
            parser.error(f"'--' is no value for --{'for' if name == 'target' else name}")
    return options


def _progress(options: argparse.Namespace) -> Progress:
    if options.progress == "json":
        return Progress.for_programs(sys.stderr)
    return Progress.on(sys.stderr)


def _stop(_sig: int, _frame: FrameType | None) -> None:
    """Ends the process by way of all the clean-up that is due; 143 as a signalled one has it."""
    raise SystemExit(128 + signal.SIGTERM)


def _job(options: argparse.Namespace) -> Job:
    return Job(
        argument=options.source,
        models=_models(options.models),
        precision=Precision(options.precision) if options.precision else None,
        name=options.name,
        revision=options.revision,
        offline=options.offline or is_offline(os.environ),
        int8_prefill=options.prefill == "int8",
        target=Target(options.target),
        context_length=options.context,
    )


def _models(given: str | None) -> Path:
    try:
        return models_folder(os.environ) if given is None else expanded(given)
    except ValueError as error:
        raise ExportError(str(error)) from error


def _summary(exported: Exported) -> str:
    return (
        f"{exported.name} ({exported.precision.value}) is in {exported.folder}; "
        f"{exported.verification}"
    )


def _summary_json(exported: Exported) -> str:
    told = {
        "name": str(exported.name),
        "precision": exported.precision.value,
        "folder": str(exported.folder),
        "verification": exported.verification,
    }
    return json.dumps(told)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    parser.add_argument(
        "source",
        nargs="?",
        metavar="NAME|FOLDER|FILE.gguf",
        help="a catalogue name, org/repo[:FILE|QUANTISATION|FOLDER] on the Hugging Face hub, "
        "a local folder or a GGUF file",
    )
    parser.add_argument("--list", action="store_true", help="show the names of the catalogue")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON: of the package, or with --list all there is to know",
    )
    parser.add_argument("--name", help="what the package is called (default: from the source)")
    parser.add_argument(
        "--offline",
        action="store_true",
        help="fetch nothing: use what was fetched before (as HF_HUB_OFFLINE=1 does)",
    )
    parser.add_argument("--revision", help="branch, tag or commit of a hub repository")
    _add_making(parser)
    parser.add_argument(
        "--progress",
        choices=["auto", "json"],
        default="auto",
        help="json tells programs how far it is: an object a line, on the error output",
    )
    parser.add_argument(
        "--ends-with-input",
        action="store_true",
        help="for programs: end when standard input does, as it does when who holds it is killed",
    )
    parser.add_argument(
        "--models",
        metavar="DIR",
        help="where packages live (default: RETORT_MODELS, else where the service looks)",
    )
    return parser


def _add_making(parser: argparse.ArgumentParser) -> None:
    """What the package is to be."""
    parser.add_argument(
        "--precision",
        choices=[precision.value for precision in Precision],
        help="how weights are stored (default: quantised ones as they are, those of encoders fp32, "
        "others int8)",
    )
    parser.add_argument(
        "--for",
        dest="target",
        choices=[target.value for target in Target],
        default="cpu",
        help="the device whose kernels the graph is made for: cpu (float32, the default, since "
        "every machine has one), cuda or directml (float16, which their attention wants)",
    )
    parser.add_argument(
        "--context",
        type=int,
        metavar="TOKENS",
        help="the longest sequence to serve (default: what the model was trained for; where it "
        "rotates by other factors beyond some length, as Phi-3.5 does, that length)",
    )
    parser.add_argument(
        "--prefill",
        choices=["float", "int8"],
        default="float",
        help="int8 adds a graph that reads prompts faster, of one byte per weight of the layers",
    )


if __name__ == "__main__":
    sys.exit(main())
