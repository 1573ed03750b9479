"""Command line of the service: `python -m service`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from service.app import create_app
from service.default_model import ensure_a_model
from service.errors import StartupError
from service.pool import ModelPool
from service.server import bound_socket, serve
from service.settings import read_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 after an orderly stop, 1 if it cannot start, 2 for wrong settings."""
    logging.basicConfig(format="retort: %(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        settings = read_settings(sys.argv[1:] if arguments is None else arguments, os.environ)
    except StartupError as error:
        print(f"retort: {error.message}", file=sys.stderr)
        return 2
    try:
        with bound_socket(settings) as listener:
            ensure_a_model(settings)
            serve(settings, create_app(settings, ModelPool), listener)
    except StartupError as error:
        print(f"retort: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
