"""Whole exports of models of a few kilobytes."""

from __future__ import annotations

import errno
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import onnx
import pytest
from tokenizers import Tokenizer

from export import pipeline
from export.catalog import load_catalog
from export.decoder import recipe
from export.decoder.precision import Precision
from export.errors import ExportError
from export.pipeline import Exported, run
from export.progress import Progress, Style
from export.recipe import Job
from export.sources.base import Fetched, Origin
from export.sources.resolver import Resolved
from service.store.integrity import check_hashes, check_sizes
from service.store.manifest import Manifest
from service.store.packages import Package, Store
from tests.unit.export.checkpoints.gguf import tiny_llama
from tests.unit.export.golden_llama import BIASED, TIED, copy


@dataclass(frozen=True)
class _Fixed:
    """A source that has `path` already."""

    path: Path

    def fetch(self, cache_dir: Path, progress: Progress) -> Fetched:
        origin = Origin(kind="hub", location="org/repo", revision="abc", license="MIT")
        return Fetched(self.path, origin)


def _export(models: Path, argument: Path | str, **options: object) -> Exported:
    job = Job(argument=str(argument), models=models, **options)  # type: ignore[arg-type]
    return run(job, Progress(io.StringIO(), Style.LINES))


def _manifest(models: Path, argument: Path | str, **options: object) -> Manifest:
    exported = _export(models, argument, **options)
    return Store(models).decoder(str(exported.name)).manifest


def _edit(folder: Path, file: str, **changes: object) -> None:
    path = folder / file
    document = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(document | changes))


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    """A GGUF file whose MLP is in Q4_1, with heads of a size that is supported."""
    path = tmp_path / "tiny.Q4_1.gguf"
    heads = {"llama.attention.head_count": 2, "llama.attention.head_count_kv": 1}
    path.write_bytes(tiny_llama.content(heads))
    return path


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def _left_in_staging(models: Path) -> list[str]:
    return [path.name for path in (models / ".staging").iterdir() if path.suffix != ".lock"]


def test_a_folder_becomes_a_package_that_passes_all_checks(models: Path) -> None:
    exported = _export(models, TIED)
    package = Store(models).decoder("tiny_llama_a")
    check_sizes(package)
    check_hashes(package)
    assert exported.folder == package.folder
    assert exported.precision is Precision.INT8
    genai = {"genai.onnx", "genai_config.json", "tokenizer_config.json"}
    assert (
        set(package.manifest.files) == {"model.onnx", "model.onnx.data", "tokenizer.json"} | genai
    )
    assert _left_in_staging(models) == []


def test_a_manifest_says_what_the_engine_needs(models: Path) -> None:
    manifest = _manifest(models, BIASED)
    assert (manifest.name, manifest.precision) == ("tiny_llama_b", "int8")
    assert manifest.context_length == 256
    architecture = manifest.architecture
    assert (architecture.family, architecture.num_layers) == ("llama", 2)
    assert (architecture.num_kv_heads, architecture.head_dim) == (2, 32)
    assert (architecture.vocab_size, architecture.kv_dtype) == (258, "float32")
    layer = 64 * (128 + 2 * 64 + 128 + 3 * 96)
    assert architecture.num_parameters == 2 * layer + 2 * 258 * 64 == 119_040
    assert (manifest.tokens.bos, manifest.tokens.eos) == (256, (257,))
    assert not manifest.tokens.add_bos
    assert manifest.graphs.decoder == "model.onnx"
    assert manifest.graphs.prefill is None


@pytest.mark.parametrize("precision", list(Precision))
def test_a_manifest_says_what_its_precision_costs(models: Path, precision: Precision) -> None:
    exported = _export(models, TIED, precision=precision)
    quality = Store(models).decoder("tiny_llama_a").manifest.quality
    assert quality is not None
    assert f"{quality.loss_nats:+.3f} nats per token" in exported.verification
    assert quality.text_tokens > 100
    # Random weights foretell nothing: as good as guessing among 258 tokens, or worse.
    assert quality.reference_nats > 5
    exact = precision in (Precision.SOURCE, Precision.FP16, Precision.FP32)
    assert abs(quality.loss_nats) < (1e-4 if exact else 0.1)
    assert quality.agreement <= 1


def test_a_source_is_named_without_this_machines_paths(models: Path) -> None:
    manifest = _manifest(models, TIED)
    assert (manifest.source.kind, manifest.source.location) == ("folder", "tiny_llama_a")
    text = (models / "tiny_llama_a" / "latest" / "manifest.json").read_text()
    assert str(TIED.parent) not in text


def test_the_manifest_says_what_became_of_each_encoding(models: Path, quantized: Path) -> None:
    carried = _manifest(models, quantized).weights
    fates = {(each.encoding, each.form): each for each in carried}
    assert fates["Q8_0", "8-bit blocks of 32"].tensors == 1
    assert fates["Q8_0", "8-bit blocks of 32"].lossless
    assert sum(each.tensors for each in carried) == 8
    rounded = _manifest(models, quantized, precision=Precision.INT8).weights
    assert not any(each.lossless for each in rounded if each.encoding == "Q4_1")


def test_an_int8_prefill_graph_is_one_more_checked_file(models: Path) -> None:
    manifest = _manifest(models, TIED, int8_prefill=True)
    assert manifest.graphs.prefill == "prefill.onnx"
    assert {"prefill.onnx", "prefill.onnx.data"} <= set(manifest.files)


class _Name(NamedTuple):
    argument: str
    expected: str


@pytest.mark.parametrize(
    _Name._fields,
    [
        _Name("smollm2:135m", "smollm2:135m"),
        _Name("SmolLM2:135M", "smollm2:135m"),
        _Name("HuggingFaceTB/SmolLM2-135M", "huggingfacetb/smollm2-135m"),
        _Name("hf.co/Org/Repo", "org/repo"),
        _Name("https://huggingface.co/Org/Repo", "org/repo"),
        _Name("Org/Repo:Q4_K_M", "org/repo:q4_k_m"),
    ],
)
def test_a_package_is_called_what_was_asked_for(
    models: Path, monkeypatch: pytest.MonkeyPatch, argument: str, expected: str
) -> None:
    monkeypatch.setattr(pipeline, "look_up", lambda argument, **_: Resolved(_Fixed(TIED)))
    assert str(_export(models, argument).name) == expected


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("My Model (v1)", "my-model-v1"), ("Qwen2.5_0.5B", "qwen2.5_0.5b"), ("-x-", "x")],
)
def test_a_folder_gives_its_name_as_far_as_it_can(
    tmp_path: Path, models: Path, folder: str, expected: str
) -> None:
    assert str(_export(models, copy(TIED, tmp_path / folder)).name) == expected


def test_a_file_gives_its_name_without_its_ending(models: Path, quantized: Path) -> None:
    assert str(_export(models, quantized).name) == "tiny.q4_1"


def test_a_name_that_is_given_goes_first(models: Path) -> None:
    exported = _export(models, TIED, name="Mine/Llama:V2")
    assert str(exported.name) == "mine/llama:v2"
    assert exported.folder == models / "mine" / "llama" / "v2"


@pytest.mark.parametrize("name", ["", "--", "../outside", "a b", "con", "a/b/c/d", "x" * 81, "模"])
def test_a_name_that_cannot_be_one_is_refused_before_any_work(models: Path, name: str) -> None:
    with pytest.raises(ExportError, match="cannot name a package"):
        _export(models, TIED, name=name)
    assert not models.exists()


def test_a_folder_without_a_usable_name_asks_for_one(tmp_path: Path, models: Path) -> None:
    with pytest.raises(ExportError, match="give one by --name"):
        _export(models, copy(TIED, tmp_path / "模型"))


def test_quantised_weights_are_carried_and_others_become_int8(
    models: Path, quantized: Path
) -> None:
    assert _manifest(models, quantized).precision == "source"
    assert _manifest(models, TIED).precision == "int8"


@pytest.mark.parametrize("precision", list(Precision))
def test_a_precision_that_is_asked_for_is_used(models: Path, precision: Precision) -> None:
    assert _manifest(models, TIED, precision=precision).precision == precision.value


@pytest.mark.parametrize("precision", list(Precision))
def test_rounding_a_second_time_is_warned_of(
    models: Path, quantized: Path, precision: Precision
) -> None:
    stream = io.StringIO()
    job = Job(argument=str(quantized), models=models, precision=precision)
    run(job, Progress(stream, Style.LINES))
    warned = "warning: these weights are quantised already" in stream.getvalue()
    # Its linears have 4 bits already, which int4 carries.
    assert warned == (precision is Precision.INT8)


def test_rounding_once_is_not_warned_of(models: Path) -> None:
    stream = io.StringIO()
    run(
        Job(argument=str(TIED), models=models, precision=Precision.INT4),
        Progress(stream, Style.LINES),
    )
    assert "warning" not in stream.getvalue()


def test_a_disk_too_full_is_refused_before_writing(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=50_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ExportError, match=r"has 50\.0 kB left, and the package takes about"):
        _export(models, TIED)
    assert Store(models).packages() == []
    assert _left_in_staging(models) == []


@pytest.mark.parametrize("precision", list(Precision))
def test_the_room_that_is_asked_for_is_enough(
    models: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    """Alignment and graph weigh more in so small a model, hence the one allowance."""
    package = _export(models, BIASED, precision=precision).folder
    taken = sum(path.stat().st_size for path in package.iterdir())
    usage = shutil.disk_usage("/")._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ExportError, match="takes about") as refused:
        _export(models, BIASED, precision=precision)
    amount, unit = str(refused.value).split()[-2:]
    assert unit == "kB"
    assert float(amount) * 1000 > taken - 120_000


def _refuse(*arguments: object) -> None:
    raise ExportError("the package computes something else")


def test_what_fails_to_verify_leaves_the_old_package(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _manifest(models, TIED, precision=Precision.FP32)
    monkeypatch.setattr(recipe, "verify_package", _refuse)
    with pytest.raises(ExportError, match="something else"):
        _export(models, TIED, precision=Precision.INT8)
    package = Store(models).decoder("tiny_llama_a")
    assert package.manifest == before
    check_hashes(package)
    assert _left_in_staging(models) == []


def test_transformers_has_a_say_too(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "verify_against_transformers", _refuse)
    with pytest.raises(ExportError, match="something else"):
        _export(models, TIED)
    assert Store(models).packages() == []


def test_an_export_replaces_the_one_before(models: Path) -> None:
    _export(models, TIED, precision=Precision.FP32, int8_prefill=True)
    manifest = _manifest(models, TIED, precision=Precision.INT4)
    assert manifest.precision == "int4"
    folder = models / "tiny_llama_a" / "latest"
    assert {path.name for path in folder.iterdir()} == {*manifest.files, "manifest.json"}


def _damage_config(folder: Path) -> None:
    _edit(folder, "config.json", model_type="gpt2")


def _damage_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def _swap_tokenizer(folder: Path) -> None:
    _edit(folder, "config.json", vocab_size=99)


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])


def _reshape(folder: Path) -> None:
    _edit(folder, "config.json", intermediate_size=128)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_damage_config, "architecture 'gpt2' is not supported; supported: gemma"),
        (_damage_tokenizer, "tokenizer.json cannot be used"),
        (_swap_tokenizer, "tokenizer does not belong to the weights"),
        (_truncate, "cut off"),
        (_reshape, "the config asks for"),
    ],
)
def test_a_damaged_source_is_refused_with_its_fault(
    tmp_path: Path, models: Path, damage: Callable[[Path], None], message: str
) -> None:
    source = copy(TIED, tmp_path / "damaged")
    damage(source)
    with pytest.raises(ExportError, match=message) as refused:
        _export(models, source)
    assert str(refused.value).isprintable()
    assert Store(models).packages() == []


def _package_of(models: Path, source: Path) -> Package:
    return Store(models).decoder(str(_export(models, source).name))


def test_a_chat_template_makes_a_chat_model(tmp_path: Path, models: Path) -> None:
    source = copy(TIED, tmp_path / "chat")
    template = "{% for m in messages %}{{ m.content }}\r\n{% endfor %}é"
    _edit(source, "tokenizer_config.json", chat_template=template)
    package = _package_of(models, source)
    assert package.manifest.capabilities == ("completion", "chat")
    assert (package.folder / "chat_template.jinja").read_bytes() == template.encode()
    assert _manifest(models, TIED).capabilities == ("completion",)


def test_a_chat_template_that_utf8_cannot_hold_is_no_crash(tmp_path: Path, models: Path) -> None:
    source = copy(TIED, tmp_path / "odd")
    _edit(source, "tokenizer_config.json", chat_template="a\ud800b")
    package = _package_of(models, source)
    assert (package.folder / "chat_template.jinja").read_text() == "a?b"


def test_the_models_own_sampling_goes_before_the_catalogues(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = copy(TIED, tmp_path / "own")
    _edit(source, "generation_config.json", temperature=0.0)
    found = Resolved(_Fixed(source), load_catalog().find("smollm2:135m"))
    monkeypatch.setattr(pipeline, "look_up", lambda argument, **_: found)
    generation = _manifest(models, "smollm2:135m").generation
    # The catalogue's are 0.2 and 0.9; zero is a temperature too.
    assert (generation.temperature, generation.top_p) == (0.0, 0.9)


def test_a_folder_that_is_called_as_a_model_is_not_sampled_like_it(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(TIED, tmp_path / "smollm2")
    monkeypatch.chdir(tmp_path)
    generation = _manifest(models, "smollm2").generation
    assert (generation.temperature, generation.top_p) == (None, None)


def test_without_any_the_service_decides_how_to_sample(models: Path) -> None:
    generation = _manifest(models, TIED).generation
    assert (generation.temperature, generation.top_p) == (None, None)


def test_a_source_that_was_fetched_is_recorded(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "look_up", lambda argument, **_: Resolved(_Fixed(TIED)))
    source = _manifest(models, "org/repo").source
    assert (source.kind, source.location, source.revision) == ("hub", "org/repo", "abc")
    assert source.license == "MIT"


def test_a_template_that_cannot_be_used_is_refused_before_any_work(
    tmp_path: Path, models: Path
) -> None:
    source = copy(TIED, tmp_path / "chatty")
    (source / "chat_template.jinja").write_text("{% for %}")
    with pytest.raises(ExportError, match=r"chat_template\.jinja: .* does not compile"):
        _export(models, source)
    assert not models.exists()


def test_added_tokens_that_the_weights_do_not_have_are_left_out_and_told(
    tmp_path: Path, models: Path
) -> None:
    source = copy(TIED, tmp_path / "larger")
    document = json.loads((source / "tokenizer.json").read_text())
    document["added_tokens"].append(
        {**document["added_tokens"][0], "id": 258, "content": "<image>"}
    )
    (source / "tokenizer.json").write_text(json.dumps(document))
    told = io.StringIO()
    run(Job(argument=str(source), models=models), Progress(told, Style.LINES))
    assert "no row, and is stored without them: '<image>'" in told.getvalue()
    stored = Tokenizer.from_file(str(next(models.rglob("tokenizer.json"))))
    assert stored.get_vocab_size() == 258
    assert stored.decode(stored.encode("an <image>").ids) == "an <image>"


def test_a_token_that_the_weights_do_not_have_is_refused_before_any_work(
    tmp_path: Path, models: Path
) -> None:
    source = copy(TIED, tmp_path / "larger")
    document = json.loads((source / "tokenizer.json").read_text())
    document["model"]["vocab"]["more"] = 400
    (source / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(ExportError, match="the tokenizer does not belong to the weights"):
        _export(models, source)
    assert not models.exists()


@pytest.mark.parametrize("is_link", [False, True])
def test_a_place_that_a_file_takes_is_refused_before_any_work(
    models: Path, monkeypatch: pytest.MonkeyPatch, is_link: bool
) -> None:
    models.mkdir()
    place = models / "tiny_llama_a"
    if is_link:
        place.symlink_to(models / "nowhere")
    else:
        place.write_text("mine")
    monkeypatch.setattr(recipe, "build_decoder", lambda *_, **__: pytest.fail("it was built"))
    with pytest.raises(FileExistsError, match="a file is there already, choose another name"):
        _export(models, TIED)
    assert place.is_symlink() if is_link else place.read_text() == "mine"


def test_sampling_of_a_wrong_type_is_refused_before_any_work(tmp_path: Path, models: Path) -> None:
    source = copy(TIED, tmp_path / "warm")
    _edit(source, "generation_config.json", temperature="warm")
    with pytest.raises(ExportError, match=r"generation_config\.temperature is 'warm'"):
        _export(models, source)
    assert not models.exists()


def test_a_failure_to_write_says_where(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(onnx, "save", fail)
    with pytest.raises(OSError, match="File too large") as failed:
        _export(models, TIED)
    assert failed.value.filename == str(models)
