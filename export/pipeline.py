"""An export from beginning to end: resolve, read, build, write, verify, publish."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

import onnx

from export.catalog import Entry
from export.checkpoints.base import Checkpoint, TokenizerFiles
from export.checkpoints.open import open_checkpoint
from export.decoder.config import ConfigReader
from export.decoder.families import read_spec
from export.decoder.graph import build_decoder
from export.decoder.int8_prefill import build_int8_prefill
from export.decoder.precision import Precision
from export.decoder.prefill import derive_prefill, gains_from_prefill_graph
from export.decoder.smoothing import calibrate
from export.decoder.spec import DecoderSpec
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.errors import ExportError
from export.progress import Progress
from export.sources.base import Fetched, Origin
from export.sources.cache import require_space
from export.sources.resolver import look_up
from export.verify import Verification, verify_package
from export.verify_prompt import prompt_ids
from export.verify_transformers import verify_against_transformers
from service.store.manifest import (
    CHAT_TEMPLATE_NAME,
    TOKENIZER_NAME,
    Architecture,
    GenerationDefaults,
    Graphs,
    Manifest,
    Source,
    Tokens,
    write_manifest,
)
from service.store.names import ModelName
from service.store.packages import record_files
from service.store.publish import staged

DOWNLOADS = ".downloads"
"""Below the store: what was fetched stays there, so that a second export fetches nothing."""

DECODER_GRAPH = "model.onnx"
PREFILL_GRAPH = "prefill.onnx"


REQUANTIZING_COST_NATS = {Precision.INT4: 0.16, Precision.INT8: 0.01}
"""What rounding its Q4_1 weights again cost SmolLM2-135M on the benchmark's text."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the command line asks for; None leaves a choice to the source."""

    argument: str
    models: Path
    precision: Precision | None = None
    name: str | None = None
    revision: str | None = None
    int8_prefill: bool = False
    target: Target = Target.CPU


@dataclass(frozen=True, slots=True)
class Exported:
    """A published package."""

    name: ModelName
    folder: Path
    precision: Precision
    verification: Verification


@dataclass(frozen=True, slots=True)
class _Plan:
    """Weights that were fetched and opened, what they are, and what they are to become."""

    job: Job
    name: ModelName
    entry: Entry | None
    fetched: Fetched
    checkpoint: Checkpoint
    spec: DecoderSpec
    tokenizer: TokenizerFiles
    prompt: list[int]
    precision: Precision


def run(job: Job, progress: Progress) -> Exported:
    """Makes the package. Raises ExportError or OSError; what stood before then still stands."""
    plan = _plan(job, progress)
    _warn_of_requantizing(plan, progress)
    with staged(job.models, plan.name, lambda: _say_waiting(plan, progress)) as folder:
        require_space(folder, _package_bytes(plan), "the package takes about")
        graphs = _write_graphs(folder, plan, progress)
        _write_text_files(folder, plan.tokenizer)
        with progress.step("verifying", unit="token"):
            verification = verify_package(
                folder, graphs, plan.spec, plan.checkpoint, plan.prompt, plan.precision
            )
            verify_against_transformers(plan.fetched.path, plan.spec, plan.checkpoint, plan.prompt)
        write_manifest(folder, _manifest(folder, plan, graphs))
    return Exported(plan.name, job.models / plan.name.folder, plan.precision, verification)


def _plan(job: Job, progress: Progress) -> _Plan:
    resolved = look_up(job.argument, revision=job.revision)
    name = _package_name(job)
    if job.int8_prefill and job.target is not Target.CPU:
        raise ExportError("an int8 prefill graph is for processors: it goes with --for cpu")
    fetched = resolved.source.fetch(job.models / DOWNLOADS, progress)
    checkpoint = open_checkpoint(fetched.path)
    spec = read_spec(checkpoint.config)
    tokenizer = checkpoint.tokenizer()
    return _Plan(
        job=job,
        name=name,
        entry=resolved.entry,
        fetched=fetched,
        checkpoint=checkpoint,
        spec=spec,
        tokenizer=tokenizer,
        # Needed to verify, and wrong more often than all else: better refused before the long part.
        prompt=prompt_ids(tokenizer.tokenizer_json, spec),
        precision=job.precision or _default_precision(spec, checkpoint),
    )


def _package_name(job: Job) -> ModelName:
    """The name asked for, else one made from the argument: a catalogue name stays what it is."""
    wanted = job.name or _name_from(job.argument)
    try:
        return ModelName.parse(wanted)
    except ValueError as error:
        raise ExportError(
            f"{wanted!r} cannot name a package: {error}; give one by --name"
        ) from error


def _name_from(argument: str) -> str:
    path = Path(argument)
    if path.exists():
        stem = path.resolve().stem if path.is_file() else path.resolve().name
        return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")
    return re.sub(r"^(https://)?(hf\.co|huggingface\.co)/", "", argument, flags=re.IGNORECASE)


def _say_waiting(plan: _Plan, progress: Progress) -> None:
    progress.note(f"waiting: {plan.name} is being exported by another process")


def _default_precision(spec: DecoderSpec, checkpoint: Checkpoint) -> Precision:
    """Blocks are carried as they are; 16-bit weights become int8, which loses next to nothing."""
    return Precision.SOURCE if _is_quantized(spec, checkpoint) else Precision.INT8


def _is_quantized(spec: DecoderSpec, checkpoint: Checkpoint) -> bool:
    return checkpoint.tensor(spec.gate.name.format(i=0) + ".weight").encoding.is_block


def _warn_of_requantizing(plan: _Plan, progress: Progress) -> None:
    rounds = plan.precision in (Precision.INT4, Precision.INT8)
    if rounds and _is_quantized(plan.spec, plan.checkpoint):
        progress.warn(
            f"these weights are quantised already and {plan.precision.value} rounds them a second "
            f"time, which cost SmolLM2-135M {REQUANTIZING_COST_NATS[plan.precision]} nats per "
            "token; --precision source costs nothing"
        )


def _package_bytes(plan: _Plan) -> int:
    """A generous guess at the size of the package."""
    if plan.precision.bits_per_weight is None:
        path = plan.fetched.path
        files = [path] if path.is_file() else list(path.glob("*.safetensors"))
        stored = sum(file.stat().st_size for file in files)
    else:
        stored = plan.spec.num_parameters * plan.precision.bits_per_weight // 8
    if plan.job.int8_prefill:
        stored += plan.spec.num_parameters
    return stored * 5 // 4


def _write_graphs(folder: Path, plan: _Plan, progress: Progress) -> Graphs:
    weights = Weights(plan.spec, plan.checkpoint)
    num_layers = plan.spec.num_layers
    with (
        progress.step("building", num_layers, "layer") as step,
        _tensor_file(folder / DECODER_GRAPH) as tensors,
    ):
        decoder = build_decoder(
            weights, plan.precision, plan.job.target, tensors, lambda: step.advance(1)
        )
    onnx.save(decoder, folder / DECODER_GRAPH)
    prefill = _prefill_graph(folder, plan, decoder, progress)
    if prefill is None:
        return Graphs(decoder=DECODER_GRAPH)
    onnx.save(prefill, folder / PREFILL_GRAPH)
    return Graphs(decoder=DECODER_GRAPH, prefill=PREFILL_GRAPH)


def _prefill_graph(
    folder: Path, plan: _Plan, decoder: onnx.ModelProto, progress: Progress
) -> onnx.ModelProto | None:
    """A graph for prompts, where one is asked for or is faster than the decoder's own."""
    if not plan.job.int8_prefill:
        derive = plan.job.target is Target.CPU and gains_from_prefill_graph(decoder)
        return derive_prefill(decoder) if derive else None
    weights = Weights(plan.spec, plan.checkpoint)
    with progress.step("calibrating int8 prefill", unit="token"):
        smoothing = calibrate(weights, plan.tokenizer.tokenizer_json)
    with (
        progress.step("building int8 prefill", plan.spec.num_layers, "layer") as step,
        _tensor_file(folder / PREFILL_GRAPH) as tensors,
    ):
        return build_int8_prefill(
            weights, plan.precision, smoothing, decoder, tensors, lambda: step.advance(1)
        )


def _tensor_file(graph: Path) -> TensorFile:
    return TensorFile(graph.with_name(graph.name + ".data"))


def _write_text_files(folder: Path, tokenizer: TokenizerFiles) -> None:
    (folder / TOKENIZER_NAME).write_bytes(tokenizer.tokenizer_json)
    if tokenizer.chat_template is not None:
        # Replaced is what JSON can escape and UTF-8 cannot hold.
        (folder / CHAT_TEMPLATE_NAME).write_bytes(tokenizer.chat_template.encode(errors="replace"))


def _manifest(folder: Path, plan: _Plan, graphs: Graphs) -> Manifest:
    spec, tokenizer = plan.spec, plan.tokenizer
    return Manifest(
        name=str(plan.name),
        created=int(time.time()),
        source=_source(plan.fetched.origin),
        precision=plan.precision.value,
        context_length=spec.context_length,
        architecture=Architecture(
            family=spec.family,
            num_layers=spec.num_layers,
            num_kv_heads=spec.num_kv_heads,
            head_dim=spec.head_dim,
            vocab_size=spec.vocab_size,
            kv_dtype=plan.job.target.kv_dtype,
        ),
        tokens=Tokens(
            eos=tokenizer.eos_token_ids,
            bos=tokenizer.bos_token_id,
            pad=tokenizer.pad_token_id,
            add_bos=tokenizer.add_bos_token,
        ),
        graphs=graphs,
        capabilities=("completion", "chat") if tokenizer.chat_template else ("completion",),
        generation=_generation(plan.checkpoint, plan.entry),
        files=record_files(folder),
    )


def _source(origin: Origin) -> Source:
    return Source(
        kind=origin.kind,
        location=origin.location,
        revision=origin.revision,
        sha256=origin.sha256,
        license=origin.license,
    )


def _generation(checkpoint: Checkpoint, entry: Entry | None) -> GenerationDefaults:
    """The model's own defaults where it has some, else those the catalogue knows for it."""
    own = ConfigReader(checkpoint.generation_config, "generation_config")
    known = entry.generation if entry else None
    temperature, top_p = own.optional_number("temperature"), own.optional_number("top_p")
    return GenerationDefaults(
        temperature=known.temperature if temperature is None and known else temperature,
        top_p=known.top_p if top_p is None and known else top_p,
    )
