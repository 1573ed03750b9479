from __future__ import annotations

import sys
from pathlib import Path

import pytest

from service.pool.machine import available_bytes, give_back_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="made of the files of Linux")

MB = 1 << 20


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, content in {"proc/meminfo": "MemAvailable:    1024000 kB\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_what_is_available_is_what_the_system_says(tmp_path: Path) -> None:
    assert available_bytes(machine(tmp_path, {})) == 1000 * MB
    assert available_bytes(tmp_path / "nothing") is None


def test_no_more_than_a_control_group_leaves(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/user/service"
    files = {
        "proc/self/cgroup": "0::/user/service\n",
        f"{group}/memory.max": f"{500 * MB}\n",
        f"{group}/memory.current": f"{300 * MB}\n",
        f"{group}/memory.stat": f"anon 5\ninactive_file {50 * MB}\nactive_file 7\n",
        "sys/fs/cgroup/user/memory.max": "max\n",
        "sys/fs/cgroup/user/memory.current": "1\n",
    }
    assert available_bytes(machine(tmp_path, files)) == 250 * MB


def test_a_group_above_limits_too_and_one_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/user/service\n",
        "sys/fs/cgroup/user/memory.max": f"{100 * MB}",
        "sys/fs/cgroup/user/memory.current": f"{120 * MB}",
    }
    assert available_bytes(machine(tmp_path, files)) == 0


def test_a_container_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/docker/0123\n",
        "sys/fs/cgroup/memory.max": f"{100 * MB}",
        "sys/fs/cgroup/memory.current": f"{20 * MB}",
    }
    assert available_bytes(machine(tmp_path, files)) == 80 * MB


def test_the_older_control_groups_are_known(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/memory/docker/0123"
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/docker/0123\n4:memory:/docker/0123\n0::/x\n",
        f"{group}/memory.limit_in_bytes": f"{500 * MB}",
        f"{group}/memory.usage_in_bytes": f"{100 * MB}",
        f"{group}/memory.stat": f"inactive_file 1\ntotal_inactive_file {10 * MB}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
    }
    found = available_bytes(machine(tmp_path, files))
    assert found is not None
    assert 400 * MB <= found <= 410 * MB


def test_this_machine_has_memory() -> None:
    found = available_bytes()
    assert found is not None
    assert found > 100 * MB
    give_back_memory()
