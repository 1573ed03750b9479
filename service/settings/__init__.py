"""What the service is started with: flags, then variables, then `retort.toml`, then defaults."""

from service.settings.reading import (
    Configuration,
    read_client_settings,
    read_configuration,
    read_settings,
)
from service.settings.values import DEFAULT_CONTEXT_LENGTH, DeviceName, Settings

__all__ = [
    "DEFAULT_CONTEXT_LENGTH",
    "Configuration",
    "DeviceName",
    "Settings",
    "read_client_settings",
    "read_configuration",
    "read_settings",
]
