"""An encoder on its way to a package."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import onnx

from export.checkpoints.folder import ModelFolder
from export.decoder.precision import Precision
from export.decoder.target import Target
from export.encoder.int8 import quantize_linears
from export.encoder.known import complete
from export.encoder.libraries import require_libraries
from export.encoder.spec import EncoderSpec, read_encoder_spec
from export.encoder.torch_encoder import TorchEncoder
from export.encoder.verify import verify_encoder
from export.encoder.written import WrittenEncoder
from export.errors import ExportError
from export.progress import Progress
from export.recipe import Facts, Job, Material, Outcome
from export.servable_text import require_servable_sequences
from service.store.manifest import (
    TOKENIZER_NAME,
    EncoderGraphs,
    EncoderManifest,
    EncoderTokens,
)

ENCODER_GRAPH = "model.onnx"
ENCODER_DATA = "model.onnx.data"

_MAX_TEXTS = 48
"""Lines that a package is verified with: prose, dialogue and code of all lengths."""

_LINES = Path(__file__).parents[1] / "calibration.txt"


@dataclass(frozen=True, slots=True)
class EncoderRecipe:
    """Weights that were fetched, what they are, and what they are to become."""

    material: Material
    spec: EncoderSpec
    pad_id: int
    precision: Precision

    @classmethod
    def read(cls, material: Material) -> EncoderRecipe:
        """Raises ExportError where the weights cannot become what is asked for."""
        precision = _precision(material.job)
        folder = ModelFolder(material.fetched.path)
        spec = read_encoder_spec(folder)
        require_libraries()
        pad = folder.read_json("config.json").get("pad_token_id")
        return cls(material, spec, pad if isinstance(pad, int) else 0, precision)

    @property
    def package_bytes(self) -> int:
        """The weights twice, since optimum's graph is written before ours."""
        files = list(self.material.fetched.path.glob("*.safetensors"))
        return sum(file.stat().st_size for file in files) * 5 // 2

    def build(self, folder: Path, progress: Progress) -> Outcome:
        with progress.step("loading", unit="token"):
            reference = TorchEncoder(self.material.fetched.path, self.spec)
            tokenizer = reference.tokenizer_json()
            require_servable_sequences(tokenizer, self.spec.architecture.vocab_size)
        with progress.step("building", unit="token"):
            self._write_graph(reference, folder)
            (folder / TOKENIZER_NAME).write_bytes(tokenizer)
        with progress.step("verifying", unit="token"):
            written = WrittenEncoder(folder / ENCODER_GRAPH, folder / TOKENIZER_NAME, self.pad_id)
            return Outcome(verify_encoder(written, reference, self.spec, _texts(), self.precision))

    def manifest(self, facts: Facts) -> EncoderManifest:
        spec = self.spec
        return EncoderManifest(
            kind="encoder",
            name=facts.name,
            created=facts.created,
            source=facts.source,
            precision=self.precision.value,
            context_length=spec.context_length,
            architecture=spec.architecture,
            tokens=EncoderTokens(pad=self.pad_id),
            graphs=EncoderGraphs(encoder=ENCODER_GRAPH),
            capabilities=("rerank",) if spec.embedding is None else ("embedding",),
            embedding=(
                None if spec.embedding is None else complete(spec.embedding, self.material.entry)
            ),
            files=facts.files,
        )

    def _write_graph(self, reference: TorchEncoder, folder: Path) -> None:
        """In a folder of its own at first: of a large model optimum leaves a file per tensor."""
        work = folder / "optimum"
        reference.write_onnx(work / ENCODER_GRAPH)
        model = onnx.load(work / ENCODER_GRAPH)
        shutil.rmtree(work)
        if self.precision is Precision.INT8 and not quantize_linears(model):
            raise ExportError("the graph has no linears that could be quantised")
        model.graph.name = self.spec.architecture.family
        onnx.save(
            model,
            folder / ENCODER_GRAPH,
            save_as_external_data=True,
            location=ENCODER_DATA,
        )
        # onnx lets nobody else read the weights, who may read the graph.
        (folder / ENCODER_DATA).chmod((folder / ENCODER_GRAPH).stat().st_mode)


def _precision(job: Job) -> Precision:
    if job.target is not Target.CPU or job.int8_prefill:
        option = "--prefill int8" if job.int8_prefill else f"--for {job.target.value}"
        raise ExportError(f"{option} is for models that generate text; this is an encoder")
    precision = job.precision or Precision.FP32
    if precision not in (Precision.FP32, Precision.INT8):
        raise ExportError(
            f"encoders are exported in fp32 or int8, not in {precision.value}: choose one by "
            "--precision"
        )
    return precision


def _texts() -> list[str]:
    lines = [line.strip() for line in _LINES.read_text("utf-8").splitlines()]
    return [line for line in lines if line][:_MAX_TEXTS]
