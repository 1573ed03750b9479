"""A decoder on its way to a package that reads whole texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import onnx

from export.checkpoints.base import Checkpoint, TokenizerFiles
from export.checkpoints.dequantize import dequantize
from export.decoder.context import with_context
from export.decoder.families import read_spec
from export.decoder.finite import require_numbers
from export.decoder.inventory import Inventory
from export.decoder.precision import Precision
from export.decoder.reading import build_reader
from export.decoder.source_form import SourceForm
from export.decoder.spec import DecoderSpec
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Floats, Weights
from export.embedder.bare import with_prefix
from export.embedder.spec import read_embedder_spec
from export.embedder.special_tokens import complete_tokenizer, require_another_end
from export.embedder.verify import Expected, verify_reader
from export.encoder.known import complete
from export.encoder.spec import EncoderSpec
from export.errors import ExportError
from export.fitting import fitted
from export.progress import Progress
from export.recipe import Facts, Job, Material, Outcome
from export.servable_text import require_servable_sequences
from export.tokenizing import load_tokenizer
from export.verify_prompt import prompt_ids
from export.verify_transformers import verify_vectors_against_transformers
from service.store.manifest import (
    TOKENIZER_NAME,
    EncoderGraphs,
    EncoderManifest,
    EncoderTokens,
    Pooling,
)

GRAPH = "model.onnx"
DATA = "model.onnx.data"
_SCORE = "score.weight"


@dataclass(frozen=True, slots=True)
class EmbedderRecipe:
    """Weights that were opened, what they are, and what they are to become. `score` is the head
    of a classifier, float32 `[1, hidden_size]`."""

    material: Material
    checkpoint: Checkpoint
    decoder: DecoderSpec
    spec: EncoderSpec
    tokenizer: bytes
    prompt: list[int]
    pad_id: int
    precision: Precision
    score: Floats | None = None
    inventory: Inventory = field(default_factory=Inventory)

    @classmethod
    def read(
        cls,
        material: Material,
        checkpoint: Checkpoint,
        pooling: Pooling | None,
        progress: Progress,
    ) -> EmbedderRecipe:
        """`pooling` is that of a GGUF file. Raises ExportError where the weights cannot become
        what is asked for."""
        _check_options(material.job)
        trained = read_spec(checkpoint.config)
        spec = read_embedder_spec(material.fetched.path, checkpoint, trained, pooling)
        decoder = with_context(trained, None)
        decoder = with_context(decoder, min(decoder.context_length, spec.context_length))
        files, _ = fitted(checkpoint.tokenizer(), spec.architecture.vocab_size, progress)
        tokenizer = complete_tokenizer(files, lower_case=spec.lower_case)
        prompt = prompt_ids(load_tokenizer(tokenizer), decoder)
        require_servable_sequences(tokenizer, spec.architecture.vocab_size)
        pad_id = _pad_id(checkpoint, files, decoder)
        if spec.embedding is None:
            require_another_end(tokenizer, pad_id)
        named = with_prefix(checkpoint)
        form = SourceForm(decoder, named)
        recipe = cls(
            material=material,
            checkpoint=named,
            decoder=decoder,
            spec=spec,
            tokenizer=tokenizer,
            prompt=prompt,
            pad_id=pad_id,
            precision=material.job.precision or form.default_precision,
            score=_score(checkpoint, decoder) if spec.embedding is None else None,
        )
        form.warn_of_requantizing(recipe.precision, progress)
        return recipe

    @property
    def package_bytes(self) -> int:
        form = SourceForm(self.decoder, self.checkpoint)
        return form.num_bytes(self.precision, self.material.fetched.path) * 5 // 4

    def build(self, folder: Path, progress: Progress) -> Outcome:
        with (
            progress.step("building", self.decoder.num_layers, "layer") as step,
            TensorFile(folder / DATA) as tensors,
        ):
            model = build_reader(
                Weights(self.decoder, self.checkpoint),
                self.precision,
                tensors,
                lambda: step.advance(1),
                on_matrix=self.inventory.add,
                score=self.score,
            )
        progress.note(f"stored: {self.inventory.for_people()}")
        onnx.save(model, folder / GRAPH)
        (folder / TOKENIZER_NAME).write_bytes(self.tokenizer)
        expected = Expected(self.decoder, self.checkpoint, self.score)
        with progress.step("verifying", unit="token"):
            summary = verify_reader(
                folder / GRAPH, expected, self.prompt, self.pad_id, self.precision
            )
            verify_vectors_against_transformers(
                self.material.fetched.path, self.decoder, self.checkpoint, self.prompt
            )
        return Outcome(summary)

    def manifest(self, facts: Facts) -> EncoderManifest:
        spec = self.spec
        return EncoderManifest(
            kind="encoder",
            name=facts.name,
            created=facts.created,
            source=facts.source,
            precision=self.precision.value,
            context_length=self.decoder.context_length,
            architecture=spec.architecture,
            tokens=EncoderTokens(pad=self.pad_id),
            graphs=EncoderGraphs(encoder=GRAPH, devices=(Target.CPU.value,)),
            capabilities=("rerank",) if spec.embedding is None else ("embedding",),
            embedding=(
                None if spec.embedding is None else complete(spec.embedding, self.material.entry)
            ),
            files=facts.files,
            weights=self.inventory.for_manifest(),
        )


def _check_options(job: Job) -> None:
    given = {
        "--prefill int8": job.int8_prefill,
        "--context": job.context_length is not None,
        f"--for {job.target.value}": job.target is not Target.CPU,
    }
    for option, is_given in given.items():
        if is_given:
            raise ExportError(
                f"{option} is for models that generate text; this one reads whole texts"
            )


def _score(checkpoint: Checkpoint, decoder: DecoderSpec) -> Floats:
    """Raises ExportError where the head is missing, has another shape or numbers not finite."""
    head = checkpoint.tensor(_SCORE)
    if head.shape != (1, decoder.hidden_size):
        raise ExportError(
            f"{_SCORE} has the shape {list(head.shape)}, the config asks for "
            f"{[1, decoder.hidden_size]}"
        )
    score = dequantize(head)
    require_numbers(_SCORE, score, Target.CPU.dtype)
    return score


def _pad_id(checkpoint: Checkpoint, files: TokenizerFiles, decoder: DecoderSpec) -> int:
    """Any token will do: none sees what is behind it."""
    stated = checkpoint.config.get("pad_token_id")
    known = stated if isinstance(stated, int) else files.pad_token_id
    return known if known is not None and 0 <= known < decoder.vocab_size else 0
