"""A model in onnxruntime-genai's layout on its way to a package."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import onnx

from export.checkpoints.base import JsonValue, TokenizerFiles
from export.checkpoints.folder import ModelFolder
from export.checkpoints.folder_tokenizer import read_folder_tokenizer
from export.decoder.precision import Precision
from export.decoder.target import Target
from export.errors import ExportError
from export.fitting import fitted
from export.genai.config import GenaiConfig, read_genai_config
from export.genai.inward import from_genai
from export.genai.packaged import TOKENIZER_CONFIG
from export.genai.servable import KV_DTYPES, external_files, require_servable
from export.genai.values import type_of
from export.genai.verify import verify_import
from export.progress import Progress
from export.recipe import Facts, Job, Material, Outcome
from export.servable_text import require_servable_text
from export.sources.genai_files import GENAI_CONFIG
from export.verify_prompt import prompt_ids
from service.store.manifest import (
    CHAT_TEMPLATE_NAME,
    TOKENIZER_NAME,
    Architecture,
    GenerationDefaults,
    Graphs,
    KvDtype,
    Manifest,
    Tokens,
)

SERVED_GRAPH = "retort.onnx"
"""The graph for our runner, beside the model's own, which keeps its name."""


@dataclass(frozen=True, slots=True)
class GenaiRecipe:
    """A graph that was read and found servable, and the files around it."""

    material: Material
    config: GenaiConfig
    graph: onnx.ModelProto
    tokenizer: TokenizerFiles
    prompt: list[int]
    precision: Precision = Precision.SOURCE

    @classmethod
    def read(cls, material: Material, progress: Progress) -> GenaiRecipe:
        """Raises ExportError for what cannot be served, naming it."""
        folder = ModelFolder(material.fetched.path)
        config = read_genai_config(folder.path)
        decoder = config.model.decoder
        graph = _read_graph(folder, decoder.filename)
        require_servable(graph, decoder, decoder.filename)
        _refuse_choices(material.job, _kv_dtype(graph, config))
        vocab_size = config.model.vocab_size
        tokenizer, words = fitted(_read_tokenizer(folder, config), vocab_size, progress)
        prompt = prompt_ids(words, config.model)
        require_servable_text(tokenizer, vocab_size)
        return cls(material, config, graph, tokenizer, prompt)

    @property
    def package_bytes(self) -> int:
        graph_bytes: int = self.graph.ByteSize()
        return sum(path.stat().st_size for path in self._files()) + graph_bytes

    def build(self, folder: Path, progress: Progress) -> Outcome:
        with progress.step("copying") as step:
            for path in self._files():
                # Their modes and times are those of a download, which a package does not share.
                shutil.copyfile(path, folder / path.name)
                step.advance(path.stat().st_size)
        (folder / TOKENIZER_NAME).write_bytes(self.tokenizer.tokenizer_json)
        if self.tokenizer.chat_template is not None:
            template = self.tokenizer.chat_template.encode(errors="replace")
            (folder / CHAT_TEMPLATE_NAME).write_bytes(template)
        decoder = self.config.model.decoder
        onnx.save(from_genai(self.graph, decoder), folder / SERVED_GRAPH)
        with progress.step("verifying", unit="token"):
            return Outcome(
                verify_import(
                    folder / decoder.filename, folder / SERVED_GRAPH, decoder, self.prompt
                )
            )

    def manifest(self, facts: Facts) -> Manifest:
        model, tokenizer = self.config.model, self.tokenizer
        return Manifest(
            name=facts.name,
            created=facts.created,
            source=facts.source,
            precision=self.precision.value,
            context_length=model.context_length,
            architecture=Architecture(
                family=model.type,
                num_layers=model.decoder.num_hidden_layers,
                num_kv_heads=model.decoder.num_key_value_heads,
                head_dim=model.decoder.head_size,
                vocab_size=model.vocab_size,
                kv_dtype=_kv_dtype(self.graph, self.config),
            ),
            tokens=Tokens(
                eos=tokenizer.eos_token_ids,
                bos=tokenizer.bos_token_id,
                pad=tokenizer.pad_token_id,
                add_bos=tokenizer.add_bos_token,
            ),
            graphs=Graphs(decoder=SERVED_GRAPH),
            capabilities=("completion", "chat") if tokenizer.chat_template else ("completion",),
            generation=self._generation(),
            files=facts.files,
        )

    def _files(self) -> list[Path]:
        """What the package takes as it is: the graph, its weights, and what genai reads beside."""
        folder = ModelFolder(self.material.fetched.path)
        filename = self.config.model.decoder.filename
        wanted = {filename, GENAI_CONFIG, TOKENIZER_CONFIG, *external_files(self.graph.graph)}
        if SERVED_GRAPH in wanted:
            raise ExportError(f"{folder.path}: a file of the model is called {SERVED_GRAPH}")
        found = {name: folder.find(name) for name in sorted(wanted)}
        missing = [name for name, path in found.items() if path is None]
        if missing and missing != [TOKENIZER_CONFIG]:
            raise ExportError(f"{folder.path}: {', '.join(missing)} of its model is not there")
        return [path for path in found.values() if path is not None]

    def _generation(self) -> GenerationDefaults:
        """The config's own where it samples, else what the catalogue knows."""
        search, entry = self.config.search, self.material.entry
        if search.do_sample:
            return GenerationDefaults(temperature=search.temperature, top_p=search.top_p)
        known = entry.generation if entry else None
        return GenerationDefaults(
            temperature=known.temperature if known else None, top_p=known.top_p if known else None
        )


def is_genai(path: Path) -> bool:
    """Whether `path` is a model in genai's layout; weights to build a graph from win over it."""
    return path.is_dir() and (path / GENAI_CONFIG).is_file() and not any(path.glob("*.safetensors"))


def _read_graph(folder: ModelFolder, name: str) -> onnx.ModelProto:
    path = folder.find(name)
    if path is None:
        raise ExportError(f"{folder.path}: {GENAI_CONFIG} names {name}, which is not there")
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own, of which onnx does not tell
        raise ExportError(f"{path}: no ONNX graph") from error


def _read_tokenizer(folder: ModelFolder, config: GenaiConfig) -> TokenizerFiles:
    eos: list[JsonValue] = list(config.model.eos_token_ids)
    return read_folder_tokenizer(folder, {"eos_token_id": eos}, {})


def _kv_dtype(graph: onnx.ModelProto, config: GenaiConfig) -> KvDtype:
    first = config.model.decoder.inputs.past_key_names % 0
    return KV_DTYPES[next(type_of(v) for v in graph.graph.input if v.name == first)]


def _refuse_choices(job: Job, kv_dtype: KvDtype) -> None:
    """A graph that is there already cannot be asked to be another one."""
    if job.precision not in (None, Precision.SOURCE):
        raise ExportError(
            f"--precision {job.precision.value} needs the weights; this is a graph already, which "
            "is imported as it is"
        )
    if job.int8_prefill:
        raise ExportError("--prefill int8 needs the weights; this is a graph already")
    if job.target is not Target.CPU and job.target.kv_dtype != kv_dtype:
        raise ExportError(
            f"--for {job.target.value} computes in {job.target.kv_dtype}; this is a graph already, "
            f"and computes in {kv_dtype}"
        )
