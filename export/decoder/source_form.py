"""What a checkpoint's form means for the package that is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from export.checkpoints.base import Checkpoint, Tensor
from export.checkpoints.ggml.table import BLOCK_ENCODINGS
from export.decoder.blocks import is_in_four_bits
from export.decoder.precision import Precision
from export.decoder.spec import DecoderSpec
from export.progress import Progress


@dataclass(frozen=True, slots=True)
class SourceForm:
    """The weights of a decoder as they are stored, told by one that is stored as most are."""

    spec: DecoderSpec
    checkpoint: Checkpoint

    @property
    def default_precision(self) -> Precision:
        """Blocks are carried as they are; 16-bit weights become int8, which loses next to
        nothing."""
        return Precision.SOURCE if self._typical.encoding.is_block else Precision.INT8

    def num_bytes(self, precision: Precision, path: Path) -> int:
        """Those that a package takes of weights from `path`, about."""
        if precision.bits_per_weight is not None:
            return self.spec.num_parameters * precision.bits_per_weight // 8
        files = [path] if path.is_file() else list(path.glob("*.safetensors"))
        in_files = sum(file.stat().st_size for file in files)
        return max(int(in_files * self._growth()), self._plain_bytes())

    def warn_of_requantizing(self, precision: Precision, progress: Progress) -> None:
        """Says so if blocks are to be rounded once more."""
        typical = self._typical
        is_carried = precision is Precision.INT4 and is_in_four_bits(typical)
        rounds = precision in (Precision.INT4, Precision.INT8) and not is_carried
        if rounds and typical.encoding.is_block:
            progress.warn(
                f"these weights are quantised already and {precision.value} rounds them a "
                "second time; --precision source costs nothing"
            )

    @property
    def _typical(self) -> Tensor:
        return self.checkpoint.tensor(self.spec.typical_linear.name.format(i=0) + ".weight")

    def _growth(self) -> float:
        """How many times as much space blocks take in a package as in the source, whose scales
        may be a few bits each."""
        row = BLOCK_ENCODINGS.get(self._typical.encoding)
        return 1.0 if row is None else row.bits_carried / row.bits_stored

    def _plain_bytes(self) -> int:
        """What weights take that are read as plain numbers: more than in the file, where that
        has 8-bit floats. None of those that are read as blocks."""
        typical = self._typical
        if typical.encoding.is_block:
            return 0
        return self.spec.num_parameters * typical.data.itemsize
