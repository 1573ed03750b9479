"""A decoder on its way to a package."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import onnx
from tokenizers import Tokenizer

from export.catalog import Entry
from export.checkpoints.base import Checkpoint, TokenizerFiles
from export.decoder.config import ConfigReader
from export.decoder.context import warn_of_long_context, with_context
from export.decoder.families import read_spec
from export.decoder.graph import build_decoder
from export.decoder.int8_prefill import build_int8_prefill, require_int8_prefill
from export.decoder.inventory import Inventory
from export.decoder.precision import Precision
from export.decoder.prefill import derive_prefill, gains_from_prefill_graph
from export.decoder.smoothing import calibrate
from export.decoder.source_form import SourceForm
from export.decoder.spec import DecoderSpec
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.fitting import fitted
from export.genai.packaged import Description, write_for_genai
from export.progress import Progress
from export.recipe import Facts, Material, Outcome
from export.servable_text import require_servable_text
from export.verify import Verified, verify_package
from export.verify_prompt import prompt_ids
from export.verify_transformers import verify_against_transformers
from service.store.manifest import (
    CHAT_TEMPLATE_NAME,
    TOKENIZER_NAME,
    Architecture,
    GenerationDefaults,
    Graphs,
    Manifest,
    Quality,
    Tokens,
)

DECODER_GRAPH = "model.onnx"
PREFILL_GRAPH = "prefill.onnx"


@dataclass(frozen=True, slots=True)
class DecoderRecipe:
    """Weights that were opened, what they are, and what they are to become. `words` is the loaded
    `tokenizer`."""

    material: Material
    checkpoint: Checkpoint
    spec: DecoderSpec
    tokenizer: TokenizerFiles
    words: Tokenizer
    prompt: list[int]
    precision: Precision
    generation: GenerationDefaults
    inventory: Inventory = field(default_factory=Inventory)

    @classmethod
    def read(cls, material: Material, checkpoint: Checkpoint, progress: Progress) -> DecoderRecipe:
        """Raises ExportError where the weights cannot become what is asked for."""
        job = material.job
        trained = read_spec(checkpoint.config)
        spec = with_context(trained, job.context_length)
        if job.int8_prefill:
            require_int8_prefill(spec)
        # Needed to verify and to serve, and wrong more often than all else: better refused before
        # the long part.
        tokenizer, words = fitted(checkpoint.tokenizer(), spec.vocab_size, progress)
        prompt = prompt_ids(words, spec)
        require_servable_text(tokenizer, spec.vocab_size)
        stored = SourceForm(spec, checkpoint)
        recipe = cls(
            material=material,
            checkpoint=checkpoint,
            spec=spec,
            tokenizer=tokenizer,
            words=words,
            prompt=prompt,
            precision=job.precision or stored.default_precision,
            generation=_generation(checkpoint, material.entry),
        )
        stored.warn_of_requantizing(recipe.precision, progress)
        if job.context_length is None:
            warn_of_long_context(trained, spec, progress)
        return recipe

    @property
    def package_bytes(self) -> int:
        path = self.material.fetched.path
        stored = SourceForm(self.spec, self.checkpoint).num_bytes(self.precision, path)
        if self.material.job.int8_prefill:
            stored += self.spec.num_parameters
        return stored * 5 // 4

    def build(self, folder: Path, progress: Progress) -> Outcome:
        decoder = self._write_decoder(folder, progress)
        prefill = self._write_prefill(folder, decoder, progress)
        graphs = Graphs(decoder=DECODER_GRAPH, prefill=prefill)
        self._write_text_files(folder)
        write_for_genai(folder, decoder, self._description())
        with progress.step("verifying", unit="token"):
            verified = verify_package(
                folder, graphs, self.spec, self.checkpoint, self.prompt, self.precision
            )
            verify_against_transformers(
                self.material.fetched.path, self.spec, self.checkpoint, self.prompt
            )
        return _outcome(verified)

    def manifest(self, facts: Facts) -> Manifest:
        spec, tokenizer = self.spec, self.tokenizer
        return Manifest(
            name=facts.name,
            created=facts.created,
            source=facts.source,
            precision=self.precision.value,
            context_length=spec.context_length,
            architecture=Architecture(
                family=spec.family,
                num_layers=spec.num_layers,
                num_kv_heads=spec.attention.num_kv_heads,
                head_dim=spec.attention.head_dim,
                vocab_size=spec.vocab_size,
                kv_dtype=self.material.job.target.kv_dtype,
                num_parameters=spec.num_parameters,
            ),
            tokens=Tokens(
                eos=tokenizer.eos_token_ids,
                bos=tokenizer.bos_token_id,
                pad=tokenizer.pad_token_id,
                add_bos=tokenizer.add_bos_token,
            ),
            graphs=Graphs(
                decoder=DECODER_GRAPH,
                prefill=PREFILL_GRAPH if PREFILL_GRAPH in facts.files else None,
                devices=(self.material.job.target.value,),
            ),
            capabilities=("completion", "chat") if tokenizer.chat_template else ("completion",),
            generation=self.generation,
            files=facts.files,
            weights=self.inventory.for_manifest(),
            quality=facts.quality,
        )

    def _description(self) -> Description:
        return Description(
            context_length=self.spec.context_length,
            tokenizer=self.tokenizer,
            words=self.words,
            target=self.material.job.target,
            generation=self.generation,
        )

    def _write_decoder(self, folder: Path, progress: Progress) -> onnx.ModelProto:
        weights = Weights(self.spec, self.checkpoint)
        num_layers = self.spec.num_layers
        with (
            progress.step("building", num_layers, "layer") as step,
            _tensor_file(folder / DECODER_GRAPH) as tensors,
        ):
            decoder = build_decoder(
                weights,
                self.precision,
                self.material.job.target,
                tensors,
                lambda: step.advance(1),
                on_matrix=self.inventory.add,
            )
        progress.note(f"stored: {self.inventory.for_people()}")
        onnx.save(decoder, folder / DECODER_GRAPH)
        return decoder

    def _write_prefill(
        self, folder: Path, decoder: onnx.ModelProto, progress: Progress
    ) -> str | None:
        prefill = self._prefill_graph(folder, decoder, progress)
        if prefill is None:
            return None
        onnx.save(prefill, folder / PREFILL_GRAPH)
        return PREFILL_GRAPH

    def _prefill_graph(
        self, folder: Path, decoder: onnx.ModelProto, progress: Progress
    ) -> onnx.ModelProto | None:
        """A graph for prompts, where one is asked for or is faster than the decoder's own."""
        job = self.material.job
        if not job.int8_prefill:
            derive = job.target is Target.CPU and gains_from_prefill_graph(decoder)
            return derive_prefill(decoder) if derive else None
        weights = Weights(self.spec, self.checkpoint)
        with progress.step("calibrating int8 prefill", unit="token"):
            smoothing = calibrate(weights, self.words)
        with (
            progress.step("building int8 prefill", self.spec.num_layers, "layer") as step,
            _tensor_file(folder / PREFILL_GRAPH) as tensors,
        ):
            return build_int8_prefill(
                weights, self.precision, smoothing, decoder, tensors, lambda: step.advance(1)
            )

    def _write_text_files(self, folder: Path) -> None:
        (folder / TOKENIZER_NAME).write_bytes(self.tokenizer.tokenizer_json)
        if self.tokenizer.chat_template is not None:
            # Replaced is what JSON can escape and UTF-8 cannot hold.
            template = self.tokenizer.chat_template.encode(errors="replace")
            (folder / CHAT_TEMPLATE_NAME).write_bytes(template)


def _outcome(verified: Verified) -> Outcome:
    check, cost = verified.against_reference, verified.cost
    quality = Quality(
        text_tokens=cost.num_tokens,
        reference_nats=cost.reference_nats,
        loss_nats=cost.loss_nats,
        divergence_nats=check.mean_divergence,
        agreement=check.agreement,
    )
    return Outcome(
        f"against float32, on {cost.num_tokens} tokens of text: "
        f"{cost.loss_nats:+.3f} nats per token to {cost.reference_nats:.3f}, KL divergence "
        f"{check.mean_divergence:.2g}, the same likeliest token at {check.agreement:.0%} of the "
        "positions",
        quality,
    )


def _tensor_file(graph: Path) -> TensorFile:
    return TensorFile(graph.with_name(graph.name + ".data"))


def _generation(checkpoint: Checkpoint, entry: Entry | None) -> GenerationDefaults:
    """The model's own defaults where it has some, else those the catalogue knows for it."""
    own = ConfigReader(checkpoint.generation_config, "generation_config")
    known = entry.generation if entry else None
    temperature, top_p = own.optional_number("temperature"), own.optional_number("top_p")
    return GenerationDefaults(
        temperature=known.temperature if temperature is None and known else temperature,
        top_p=known.top_p if top_p is None and known else top_p,
    )
