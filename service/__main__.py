"""Command line of the service: `python -m service [VERB]`, `serve` where no verb is named."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from service.cli.verb import VERBS, chosen, find


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of the verb; 2 if there is none of that name."""
    name, rest = chosen(sys.argv[1:] if arguments is None else arguments)
    verb = find(name)
    if verb is None:
        known = ", ".join(verb.name for verb in VERBS)
        print(f"retort: {name[:80]!r} is no command; there are {known}", file=sys.stderr)
        return 2
    return verb.load()(rest)


if __name__ == "__main__":
    sys.exit(main())
