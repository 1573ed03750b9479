"""A Hugging Face folder with safetensors weights as a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

from export.checkpoints.base import JsonValue, Tensor, TokenizerFiles
from export.checkpoints.folder import ModelFolder
from export.checkpoints.folder_tokenizer import read_folder_tokenizer
from export.checkpoints.json_file import one_line
from export.checkpoints.quantized.method import read_layouts
from export.checkpoints.quantized.raw import Layout, RawTensors
from export.checkpoints.safetensors_file import SafetensorsFile
from export.errors import ExportError

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


class SafetensorsCheckpoint:
    """See `Checkpoint`. Tensors are mapped, but for quantised ones, which are put together from
    their parts."""

    def __init__(self, folder: ModelFolder) -> None:
        """Raises ExportError where a file is missing, damaged or lies outside the folder, or
        where the weights are quantised in a way that is not supported."""
        self._folder = folder
        if folder.find("config.json") is None:
            raise ExportError(f"{folder.path}: there is no config.json")
        self._config = folder.read_json("config.json")
        self._generation_config = folder.read_json("generation_config.json")
        self._layouts = _read_layouts(folder, self._config)
        self._raw = RawTensors(folder.path, _open_files(folder))

    @property
    def config(self) -> Mapping[str, JsonValue]:
        return self._config

    @property
    def generation_config(self) -> Mapping[str, JsonValue]:
        return self._generation_config

    def tokenizer(self) -> TokenizerFiles:
        return read_folder_tokenizer(self._folder, self._config, self._generation_config)

    def names(self) -> frozenset[str]:
        """Those of the files: a quantised weight is there by its parts."""
        return frozenset(self._raw.files)

    def tensor(self, name: str) -> Tensor:
        for layout in self._layouts:
            if layout.is_stored(self._raw, name):
                return layout.read(self._raw, name)
        return self._raw.plain(name)


def _read_layouts(folder: ModelFolder, config: Mapping[str, JsonValue]) -> tuple[Layout, ...]:
    """As config.json says or, in folders of older tools, a file beside it."""
    beside = folder.read_json("quantize_config.json")
    if beside and not config.get("quantization_config"):
        config = {"quantization_config": {"quant_method": "gptq", **beside}}
    return read_layouts(config, str(folder.path))


def _open_files(folder: ModelFolder) -> dict[str, SafetensorsFile]:
    """Which file each tensor is in. Like transformers, prefers one file to an index."""
    single = folder.find(SINGLE_FILE)
    if single is not None:
        file = SafetensorsFile(single)
        return dict.fromkeys(file.names(), file)
    weight_map = _read_weight_map(folder)
    shards = {shard: _open_shard(folder, shard) for shard in sorted(set(weight_map.values()))}
    for name, shard in weight_map.items():
        if name not in shards[shard].names():
            raise ExportError(
                f"{folder.path / shard}: there is no tensor {one_line(name)!r}, "
                f"which {INDEX_FILE} says is there"
            )
    return {name: shards[shard] for name, shard in weight_map.items()}


def _read_weight_map(folder: ModelFolder) -> dict[str, str]:
    origin = folder.path / INDEX_FILE
    weight_map = folder.read_json(INDEX_FILE).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ExportError(f"{origin}: there is no 'weight_map' that names tensors and files")
    shards: dict[str, str] = {}
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or not shard.endswith(".safetensors"):
            raise ExportError(f"{origin}: {one_line(name)!r} is not in a safetensors file")
        shards[name] = shard
    return shards


def _open_shard(folder: ModelFolder, shard: str) -> SafetensorsFile:
    path = folder.find(shard)
    if path is None:
        raise ExportError(f"{folder.path}: {one_line(shard)!r}, named by {INDEX_FILE}, is missing")
    return SafetensorsFile(path)
