"""Libraries that are missing, by name, from what files and loaders say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.runtime import libraries
from service.runtime.elf import needed_libraries
from service.runtime.libraries import described, missing_libraries, named_in
from service.runtime.ort import ort

CAPI = Path(ort.__file__).parent / "capi"


@pytest.mark.skipif(sys.platform != "linux", reason="ELF is Linux'")
def test_a_librarys_needs_are_those_the_loader_sees() -> None:
    (binding,) = CAPI.glob("onnxruntime_pybind11_state*.so")
    needed = needed_libraries(binding)
    assert "libc.so.6" in needed
    loaded = subprocess.run(["ldd", binding], capture_output=True, text=True, check=True).stdout
    assert all(name in loaded for name in needed)


@pytest.mark.parametrize("content", [b"MZ not ELF", b"\x7fELF\x01\x01 of 32 bits"])
def test_other_files_need_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "library"
    path.write_bytes(content)
    assert needed_libraries(path) == []


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (
            "Failed to load library libonnxruntime_providers_cuda.so with error: "
            "libcublasLt.so.13: cannot open shared object file: No such file or directory",
            ["libcublasLt.so.13"],
        ),
        (
            r'Error loading "C:\onnxruntime_providers_cuda.dll" which depends on "cudnn64_9.dll" '
            'which is missing. (Error 126: "The specified module could not be found.")',
            ["cudnn64_9.dll"],
        ),
        ("undefined symbol: Provider_GetHost", []),
        ("", []),
    ],
)
def test_a_load_error_names_what_is_missing(error: str, names: list[str]) -> None:
    assert named_in(error) == names


def test_a_provider_without_a_file_of_its_own_misses_nothing() -> None:
    assert missing_libraries("CPUExecutionProvider") == []


@pytest.mark.skipif(sys.platform != "linux", reason="the libraries are Linux'")
def test_what_a_providers_file_needs_and_nobody_has_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(libraries, "_file_of", lambda provider: tmp_path / "provider.so")
    monkeypatch.setattr(
        libraries, "needed_libraries", lambda path: ["libc.so.6", "libcuda.so.1", "libnone.so.3"]
    )
    missing = missing_libraries("NoProvider")
    assert missing == ["libcuda.so.1", "libnone.so.3"]
    assert described(missing) == "there is no NVIDIA driver; missing: libnone.so.3"
