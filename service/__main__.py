"""Command line of the service: `python -m service [VERB]`, `serve` where no verb is named."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from service.cli.errors import CommandError
from service.cli.streams import speak_utf8
from service.cli.verb import VERBS, Verb, chosen, find
from service.errors import RetortError

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of the verb: 1 if it could not be done, 2 if it is not understood or there is
    none of that name, 130 if it was interrupted."""
    speak_utf8()
    name, rest = chosen(sys.argv[1:] if arguments is None else arguments)
    verb = find(name)
    if verb is None:
        print(f"retort: {name[:80]!r} is no command; {_nearest(name)}", file=sys.stderr)
        return 2
    try:
        return _finished(verb, rest)
    except RetortError as error:
        if error.message:
            print(f"retort: {error.message}", file=sys.stderr)
        return error.exit_status if isinstance(error, CommandError) else 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _finished(verb: Verb, arguments: Sequence[str]) -> int:
    try:
        status = verb.load()(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough. Nothing is left to be written at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _nearest(name: str) -> str:
    names = [each for verb in VERBS for each in (verb.name, *verb.aliases)]
    if near := get_close_matches(name, names, n=1):
        return f"did you mean {near[0]!r}?"
    return f"there are {', '.join(verb.name for verb in VERBS)}"


if __name__ == "__main__":
    sys.exit(main())
