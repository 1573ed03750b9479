"""The embedded model, made at first start so that there is something to serve."""

from __future__ import annotations

import logging

from service.export_process import run_export
from service.runtime.providers import Provider
from service.settings import Settings
from service.store.packages import Store

DEFAULT_MODEL = "smollm2:135m"

_log = logging.getLogger(__name__)


def ensure_a_model(settings: Settings, provider: Provider) -> None:
    """Exports the embedded model for `provider` if there is no package, in a process of its own.

    So the service needs nothing that only exporting needs. Raises SystemExit with the status of
    an export that failed.
    """
    folder = settings.models_folder
    if not settings.export_default or Store(folder).packages():
        return
    _log.info("there is no model in %s yet; exporting the embedded %s", folder, DEFAULT_MODEL)
    status = run_export([DEFAULT_MODEL, "--models", str(folder), "--for", provider.device])
    if status:
        _log.error("exporting %s failed; --no-default starts without it", DEFAULT_MODEL)
        raise SystemExit(status)
