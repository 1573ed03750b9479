"""`retort serve`: serves the models of a folder until it is stopped."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from service.errors import StartupError
from service.logs import log_to_stderr
from service.settings import Settings, read_configuration
from service.settings.shown import shown_configuration
from service.settings.unknown import did_you_mean

_log = logging.getLogger(__name__)


def run(arguments: Sequence[str]) -> int:
    """The exit status: 0 after an orderly stop, 1 if it cannot start, 2 for wrong settings, 130
    if it was interrupted before it served."""
    try:
        configuration = read_configuration(arguments, os.environ)
    except StartupError as error:
        print(f"retort: {error.message}", file=sys.stderr)
        return 2
    if configuration.prints_config:
        print(shown_configuration(configuration), end="")
        return 0
    log_to_stderr(configuration.settings)
    for name in configuration.ignored_variables:
        _log.warning(
            "%s is set; Retort has nothing of the kind and does not honour it%s",
            name,
            did_you_mean(name),
        )
    try:
        _serve(configuration.settings)
    except StartupError as error:
        print(f"retort: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _serve(settings: Settings) -> None:
    """Takes the port first, then what may last: the device, the default model, the service."""
    # Imported here, since importing ONNX Runtime can already fail, with a StartupError to show.
    from service.app import create_app  # noqa: PLC0415
    from service.default_model import ensure_a_model  # noqa: PLC0415
    from service.pool import ModelPool  # noqa: PLC0415
    from service.runtime.providers import choose_device  # noqa: PLC0415
    from service.server import bound_socket, serve  # noqa: PLC0415

    with bound_socket(settings) as listener:
        device = choose_device(settings.device)
        ensure_a_model(settings, device.provider)
        app = create_app(settings, lambda settings: ModelPool(settings, device))
        serve(settings, app, listener)
