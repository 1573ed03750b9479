"""The execution providers, one row each, and which of them a device setting means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from service.errors import StartupError
from service.runtime.distributions import check_distributions, installed_distributions
from service.runtime.installing import install_command
from service.runtime.libraries import described, missing_libraries
from service.runtime.ort import ort, reason_of
from service.settings import DeviceName
from service.store.manifest import DeviceKind

IDENTITY = (
    b'\x08\n:P\n\x1a\n\x06source\x12\x06target"\x08Identity\x12\x04copy'
    b"Z\x15\n\x06source\x12\x0b\n\t\x08\x01\x12\x05\n\x03\x12\x01n"
    b"b\x15\n\x06target\x12\x0b\n\t\x08\x01\x12\x05\n\x03\x12\x01nB\x04\n\x00\x10\x15"
)
"""An ONNX model that copies `source` to `target`, both float32 [n]: what any provider can run."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An execution provider of ONNX Runtime and what the service has to know of it.

    `platform` is that of `sys` where there is but one for it. `memory` is the name its memory has
    in IO bindings, and `host_memory` says whether numpy can reach it. `slot_views` says whether a
    part of a device buffer can be bound by its address; where it cannot, a model has one slot.

    `prefills_behind` says whether several tokens may be computed at once behind others; where they
    may not, prompts go in whole. `constant_total` says that `total_sequence_length` has to be the
    length of the slot: the kernels are compiled for it, and the rows' own lengths say the rest.
    `captures` says that decode steps are captured and replayed, by sessions with the
    `capture_options`; for that, what goes in and comes out stays where it is on the device.

    Sources: ONNX Runtime's pages on each provider, its docs/OperatorKernels.md, and for DirectML
    core/providers/dml/DmlExecutionProvider/src/Operators/DmlOperatorGroupQueryAttention.cpp.
    """

    device: DeviceKind
    name: str
    extra: str
    memory: str
    needs: str
    platform: str | None = None
    host_memory: bool = False
    slot_views: bool = True
    memory_pattern: bool = True
    prefills_behind: bool = True
    constant_total: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    captures: bool = False
    capture_options: Mapping[str, str] = field(default_factory=dict)


CPU = Provider(
    device="cpu",
    name="CPUExecutionProvider",
    extra="cpu",
    memory="cpu",
    host_memory=True,
    needs="any processor",
)
CUDA = Provider(
    device="cuda",
    name="CUDAExecutionProvider",
    extra="cuda",
    memory="cuda",
    needs="an NVIDIA GPU with driver 580 or newer (CUDA 13)",
    options={"arena_extend_strategy": "kSameAsRequested"},
    captures=True,
    capture_options={"enable_cuda_graph": "1"},
)
DIRECTML = Provider(
    device="directml",
    name="DmlExecutionProvider",
    extra="directml",
    memory="dml",
    needs="Windows and a DirectX 12 GPU",
    platform="win32",
    slot_views=False,
    memory_pattern=False,
    prefills_behind=False,
    constant_total=True,
    # Device 0 is often the one built into the processor.
    options={"performance_preference": "high_performance", "device_filter": "gpu"},
)

PROVIDERS = (CUDA, DIRECTML, CPU)
"""In the order in which `auto` prefers them."""


@dataclass(frozen=True, slots=True)
class Device:
    """The provider that was chosen, and why."""

    provider: Provider
    reason: str


def choose_device(setting: DeviceName) -> Device:
    """The device that `setting` means on this machine.

    Raises StartupError, with the reason and the remedy, if a provider asked for by name does not
    work here, or if several ONNX Runtime distributions are installed over each other.
    """
    check_distributions(installed_distributions())
    return select(setting, failure)


def select(setting: DeviceName, failure_of: Callable[[Provider], str | None]) -> Device:
    """`choose_device`, where `failure_of` tells why a provider does not work here, or None.

    Only providers that may be chosen are asked: asking one can load a driver.
    """
    if setting == "auto":
        return _prefer(failure_of)
    provider = next(provider for provider in PROVIDERS if provider.device == setting)
    reason = failure_of(provider)
    if reason is None:
        return Device(provider, "asked for")
    raise StartupError(
        f"The device {setting!r} does not work here: {reason}. It needs {provider.needs} and "
        f"{install_command(provider.extra)} in place of any other ONNX Runtime. "
        "`retort doctor` says more."
    )


def failure(provider: Provider) -> str | None:
    """Why `provider` cannot run a graph on this machine, or None if it just did."""
    if provider.name not in ort.get_available_providers():
        return f"the installed ONNX Runtime {ort.__version__} was built without {provider.name}"
    if provider is CPU:
        return None
    if missing := missing_libraries(provider.name):
        return described(missing)
    return _refusal(provider)


def _refusal(provider: Provider) -> str | None:
    """What ONNX Runtime has against running a graph of one node on `provider`."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    ort.set_default_logger_severity(4)
    try:
        ort.InferenceSession(
            IDENTITY,
            options,
            providers=[(provider.name, dict(provider.options))],
            enable_fallback=0,
        )
    except Exception as error:  # noqa: BLE001  onnxruntime raises a dozen unrelated types here
        reason = reason_of(error)
        return "it does not start on this machine" if "fallback to CPU EP" in reason else reason
    finally:
        ort.set_default_logger_severity(2)
    return None


def _prefer(failure_of: Callable[[Provider], str | None]) -> Device:
    passed_over: list[str] = []
    for provider in PROVIDERS:
        reason = failure_of(provider)
        if reason is None:
            why = "; ".join(passed_over) or "the first choice works"
            return Device(provider, f"automatic choice: {why}")
        passed_over.append(f"no {provider.device}, {reason}")
    raise StartupError("No execution provider works here: " + "; ".join(passed_over))
