"""The model as transformers loads it: what optimum exports, and what a package is compared with."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.json_file import one_line
from export.encoder.libraries import require_libraries
from export.encoder.spec import EncoderSpec
from export.errors import ExportError

Floats = NDArray[np.float32]

_UNUSED_PARTS = ("pooler.", "bert.pooler.", "roberta.pooler.")
"""A head for next sentences, which many checkpoints come without."""


class TorchEncoder:
    """A model and its tokenizer, in float32 on the CPU."""

    def __init__(self, path: Path, spec: EncoderSpec) -> None:
        """Loads the folder. Raises ExportError where the libraries are missing or refuse it."""
        require_libraries()
        self._spec = spec
        with _quiet():
            try:
                self._model = _load(path, is_cross_encoder=spec.embedding is None)
                self._tokenizer = _load_tokenizer(path)
            except ExportError:
                raise
            except Exception as error:  # whatever transformers raises says that it cannot load it
                raise ExportError(
                    f"{path}: transformers cannot load it ({type(error).__name__}: "
                    f"{one_line(str(error), 200)})"
                ) from error

    @cached_property
    def _takes_types(self) -> bool:
        """Whether the two texts of a pair are told apart by a type; many tokenizers name one for
        models that know none."""
        return "token_type_ids" in inspect.signature(self._model.forward).parameters

    def tokenizer_json(self) -> bytes:
        """The tokenizer as one file, neither cutting nor padding."""
        # Imported here as all of this module's libraries, though this one is always there.
        from tokenizers import Tokenizer, normalizers  # noqa: PLC0415

        tokenizer = Tokenizer.from_str(self._tokenizer.backend_tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        if self._spec.lower_case:
            own = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
            tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
        content: str = tokenizer.to_str()
        return content.encode()

    def write_onnx(self, path: Path) -> None:
        """Has optimum export the graph to `path`, beside which it may put other files.

        Raises ExportError where optimum refuses.
        """
        # Takes seconds to load, and only exports of encoders need it.
        from optimum.exporters.onnx import export  # noqa: PLC0415
        from optimum.exporters.tasks import TasksManager  # noqa: PLC0415

        task = "text-classification" if self._spec.embedding is None else "feature-extraction"
        with _quiet():
            try:
                make_config = TasksManager.get_exporter_config_constructor(
                    "onnx", self._model, task=task, library_name="transformers"
                )
                export(self._model, make_config(self._model.config), path)
            except Exception as error:  # torch, onnx and optimum have no error in common
                raise ExportError(
                    f"optimum cannot export this model ({type(error).__name__}: "
                    f"{one_line(str(error), 200)})"
                ) from error

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """What transformers' own tokenizer makes of each text."""
        if self._spec.lower_case:
            texts = [text.lower() for text in texts]
        ids: list[list[int]] = self._tokenizer(list(texts), truncation=False)["input_ids"]
        return ids

    def compute(self, token_ids: Sequence[int], type_ids: Sequence[int]) -> Floats:
        """Of one sequence, alone: its tokens' vectors `[S, hidden_size]`, or its logit `[1]`."""
        # Takes seconds to load, and only exports of encoders need it.
        import torch  # noqa: PLC0415

        inputs = {
            "input_ids": torch.tensor([list(token_ids)]),
            "attention_mask": torch.ones(1, len(token_ids), dtype=torch.long),
        }
        if self._takes_types:
            inputs["token_type_ids"] = torch.tensor([list(type_ids)])
        with torch.inference_mode():
            output: Floats = self._model(**inputs)[0][0].numpy()
        return output


def _load(path: Path, *, is_cross_encoder: bool) -> Any:  # noqa: ANN401  torch is not always there
    # Takes seconds to load, and only exports of encoders need it.
    import torch  # noqa: PLC0415
    from transformers import AutoModel, AutoModelForSequenceClassification  # noqa: PLC0415

    kind = AutoModelForSequenceClassification if is_cross_encoder else AutoModel
    model, loading = kind.from_pretrained(
        path,
        dtype=torch.float32,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    # transformers makes up at random what a checkpoint lacks.
    missing = [key for key in loading["missing_keys"] if not key.startswith(_UNUSED_PARTS)]
    if missing or loading["mismatched_keys"]:
        lacking = ", ".join([*missing, *map(str, loading["mismatched_keys"])][:4])
        raise ExportError(f"{path}: the weights do not hold {one_line(lacking, 200)}")
    return model.eval()


def _load_tokenizer(path: Path) -> Any:  # noqa: ANN401  transformers is not always there
    # Takes seconds to load, and only exports of encoders need it.
    from transformers import AutoTokenizer  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise ExportError(f"{path}: its tokenizer cannot be written as a tokenizer.json")
    return tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps advice to developers, of which these libraries have much, from the user."""
    # Takes seconds to load, and only exports of encoders need it.
    from transformers.utils import logging  # noqa: PLC0415

    # Set by others too late to matter: tokenizers warns of threads when a process forks.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
