"""Versions and the machine, without its name."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from pathlib import Path

import xllamacpp

from bench.report import Environment
from service.runtime.ort import ORT_VERSION

_CPU_NAME = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def describe_environment(threads: int) -> Environment:
    """What the figures of this run depend on beside the code."""
    return Environment(
        cpu=_cpu_name(),
        threads=threads,
        python=platform.python_version(),
        onnxruntime=ORT_VERSION,
        llama_cpp=f"xllamacpp {metadata.version('xllamacpp')}",
        llama_cpp_build=str(xllamacpp.get_system_info()).strip(),
    )


def _cpu_name() -> str:
    try:
        found = _CPU_NAME.search(Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor()
