"""The service that a verb has for itself."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from service.cli.client.private import private_service
from service.settings import Settings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_it_listens_to_this_machine_alone_whatever_address_is_set(
    tmp_path: Path, host: str
) -> None:
    settings = Settings(host=host, port=11434, models_folder=tmp_path, device="cpu")
    with private_service(settings) as address:
        assert address.is_served()
        listening = [
            each.laddr.ip
            for each in psutil.Process().net_connections("inet")
            if each.status == psutil.CONN_LISTEN and each.laddr.port == address.port
        ]
    assert listening == ["127.0.0.1"]
