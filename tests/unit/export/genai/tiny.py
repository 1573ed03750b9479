"""The tiny llama that onnxruntime-genai's builder exported, as it is and altered."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import onnx

from export.pipeline import run
from export.progress import Progress, Style
from export.recipe import Job
from service.store.packages import Package, Store
from tests.unit.export.golden_llama import GOLDEN

TINY = GOLDEN / "tiny_genai"


@dataclass(frozen=True)
class Generated:
    """Token ids that onnxruntime-genai generated greedily behind a prompt."""

    prompt: list[int]
    output: list[int]


class _Expected(msgspec.Struct):
    greedy: list[Generated]


def expected() -> list[Generated]:
    return msgspec.json.decode((TINY / "expected.json").read_bytes(), type=_Expected).greedy


def altered(target: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    """A copy of the model at `target` whose graph `change` was let at."""
    shutil.copytree(TINY, target)
    model = onnx.load(target / "model.onnx", load_external_data=False)
    change(model)
    onnx.save(model, target / "model.onnx")
    return target


def attentions(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == "GroupQueryAttention"]


def imported(models: Path, folder: Path, **options: object) -> Package:
    """The package that an export of `folder` makes."""
    job = Job(argument=str(folder), models=models, **options)  # type: ignore[arg-type]
    exported = run(job, Progress(io.StringIO(), Style.LINES))
    return Store(models).decoder(str(exported.name))
