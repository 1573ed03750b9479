"""What may import what. The rules are those of the design; the files are all that there are."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NEVER_IN_SERVICE = {"torch", "optimum", "transformers", "export", "onnx", "safetensors", "bench"}
NEVER_AT_SERVICE_START = NEVER_IN_SERVICE | {"huggingface_hub", "tqdm", "requests", "filelock"}

FREE = {"errors", "settings", "store", "health", "metrics", "logs", "priority"}
"""What every layer of the service may use."""

LAYERS = {
    "store": {"errors"},
    "runtime": FREE,
    "engine": FREE | {"runtime"},
    "text": FREE,
    "dialogue": FREE | {"text"},
    "constraints": FREE | {"engine", "dialogue", "text"},
    "options": FREE | {"engine", "dialogue"},
    "last_checks": FREE | {"options", "dialogue"},
    "generation": FREE | {"options", "last_checks", "engine", "dialogue", "text", "constraints"},
    "modelfile": FREE | {"dialogue", "text"},
    "model_files": FREE | {"modelfile", "engine", "runtime", "text", "dialogue", "constraints"},
    "model_checks": FREE | {"options"},
    "model": FREE
    | {
        "model_files",
        "model_checks",
        "generation",
        "options",
        "engine",
        "runtime",
        "text",
        "dialogue",
        "constraints",
    },
    "encoder": FREE | {"runtime", "text"},
    "pool": FREE | {"model", "encoder", "runtime"},
    "exporting": FREE | {"export_process"},
    "api": FREE
    | {"options", "engine", "dialogue", "text", "constraints", "modelfile", "exporting"},
    "app": FREE | {"api", "exporting"},
    "export_process": set(),
    "succession": {"service_manager"},
    "server": FREE | {"api", "http_protocol", "inherited", "service_manager", "succession"},
}
"""Parts of the service and the parts that they may import; a part not listed may import any.

The endpoints know the engine's words (a request's parameters) and not its working, see below.
"""


@dataclass(frozen=True)
class Import:
    path: str
    line: int
    module: str
    names: tuple[str, ...] = ()

    @property
    def top(self) -> str:
        return self.module.split(".")[0]

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.module} {' '.join(self.names)}"


def _files(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def _imports(path: Path) -> Iterator[Import]:
    name = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(name, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: relative import"
            assert node.module is not None
            names = tuple(alias.name for alias in node.names)
            yield Import(name, node.lineno, node.module, names)


def _all(*packages: str) -> list[Import]:
    found = [item for path in _files(*packages) for item in _imports(path)]
    assert len(found) > 50, "the files are where they were"
    return found


def _shown(imports: Iterator[Import]) -> list[str]:
    return [str(item) for item in imports]


def test_the_service_imports_nothing_of_export_or_its_libraries() -> None:
    assert not _shown(item for item in _all("service") if item.top in NEVER_IN_SERVICE)


def test_export_uses_the_store_of_the_service_and_its_checks_of_text() -> None:
    """What the service would refuse to load is told by its own code, in one place, so that the two
    cannot disagree; that code knows of text alone and not of the engine or the web."""
    allowed = ("service.store", "service.errors")
    checks = {
        "export/tokenizing.py": ("service.text.library",),
        "export/servable_text.py": (
            "service.dialogue.dialogue",
            "service.dialogue.template",
            "service.encoder.tokens",
            "service.text.tokenizer",
        ),
    }
    assert not _shown(
        item
        for item in _all("export")
        if item.top == "service"
        and not item.module.startswith(allowed)
        and item.module not in checks.get(item.path, ())
    )
    loaded = _loaded_by("export.servable_text")
    assert not {"litestar", "uvicorn", "llguidance", "onnxruntime"} & loaded


def test_programs_import_no_tests_or_benchmarks() -> None:
    assert not _shown(item for item in _all("service", "export") if item.top in {"tests", "bench"})


def test_the_web_framework_stays_at_the_edge() -> None:
    edge = ("service/app.py", "service/server.py", "service/api/")
    assert not _shown(
        item
        for item in _all("service", "export")
        if item.top == "litestar" and not item.path.startswith(edge)
    )


def test_onnxruntime_is_imported_where_telemetry_is_turned_off() -> None:
    users = {item.path: item for item in _all("service", "export") if item.top == "onnxruntime"}
    assert [path for path in users if path.startswith("service")] == ["service/runtime/ort.py"]
    for path, item in users.items():
        before = (ROOT / path).read_text(encoding="utf-8").splitlines()[: item.line - 1]
        assert any(line.startswith('os.environ["ORT_DISABLE_TELEMETRY"]') for line in before), path


def test_onnxruntime_is_used_in_the_runtime_and_the_runner_only() -> None:
    assert not _shown(
        item
        for item in _all("service")
        if item.module == "service.runtime.ort"
        and "ort" in item.names
        and not item.path.startswith(("service/runtime/", "service/engine/runner.py"))
    )


@pytest.mark.parametrize("name", ["scheduler", "kv_cache", "request"])
def test_accounting_knows_no_tensor(name: str) -> None:
    """Nor anything that does: the import of the module alone must not load numpy."""
    imports = list(_imports(ROOT / f"service/engine/{name}.py"))
    assert imports
    assert not {"numpy", "onnxruntime"} & {item.top for item in imports}
    assert "numpy" not in _loaded_by(f"service.engine.{name}")


def test_imports_point_one_way() -> None:
    wrong = []
    for item in _all("service"):
        part, used = _part(item.path), item.module.split(".")[1:2]
        if item.top == "service" and used and part in LAYERS and used[0] != part:
            wrong += [str(item)] * (used[0] not in LAYERS[part])
    assert not wrong


def test_the_layers_themselves_have_no_cycle() -> None:
    left = {part: used & LAYERS.keys() for part, used in LAYERS.items()}
    while left:
        lowest = {part for part, used in left.items() if not used & left.keys()}
        assert lowest, f"a cycle among {sorted(left)}"
        left = {part: used for part, used in left.items() if part not in lowest}


def test_the_endpoints_know_the_words_of_the_engine_only() -> None:
    assert not _shown(
        item
        for item in _all("service")
        if item.path.startswith("service/api/")
        and item.module.startswith("service.engine")
        and item.module not in {"service.engine.request", "service.engine.constraint"}
    )


def test_modules_do_not_import_each_other_in_circles() -> None:
    modules = {_module(path): path for path in _files("service", "export")}
    left = {
        module: {used for item in _imports(path) for used in _modules_of(item, modules)} - {module}
        for module, path in modules.items()
    }
    while left:
        lowest = {module for module, used in left.items() if not used & left.keys()}
        assert lowest, f"a cycle among {sorted(left)}"
        left = {module: used for module, used in left.items() if module not in lowest}


def test_an_import_inside_a_function_says_why() -> None:
    unexplained = []
    for path in _files("service", "export"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number in _lines_of_inner_imports(lines):
            first = number
            while "import " in lines[first - 2]:
                first -= 1
            if not any(_is_reason(line) for line in (lines[number - 1], lines[first - 2])):
                unexplained.append(f"{path.relative_to(ROOT)}:{number}")
    assert not unexplained


def test_starting_the_service_loads_nothing_of_export() -> None:
    # What the command line imports once it starts to serve is part of starting.
    inner = [f"service.{name}" for name in ("cli.serve", "app", "default_model", "pool", "server")]
    loaded = _loaded_by("service.__main__", *inner)
    assert {"litestar", "onnxruntime", "tokenizers"} <= loaded, "the import did take place"
    assert not loaded & NEVER_AT_SERVICE_START


def test_verbs_that_read_the_store_load_no_runtime_and_no_server() -> None:
    verbs = [f"service.cli.{name}" for name in ("list_models", "show", "cp", "rm", "ps", "run")]
    loaded = _loaded_by("service.__main__", *verbs)
    assert "msgspec" in loaded, "the import did take place"
    assert not loaded & (NEVER_IN_SERVICE | {"litestar", "onnxruntime", "tokenizers", "uvicorn"})


def _part(path: str) -> str:
    return path.split("/")[1].removesuffix(".py")


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _modules_of(item: Import, modules: dict[str, Path]) -> set[str]:
    named = {f"{item.module}.{name}" for name in item.names} & modules.keys()
    return named or {item.module} & modules.keys()


def _lines_of_inner_imports(lines: list[str]) -> set[int]:
    return {
        node.lineno
        for function in ast.walk(ast.parse("\n".join(lines)))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }


def _is_reason(line: str) -> bool:
    """A comment of words; a bare `noqa` gives no reason."""
    comment = line.partition("#")[2].partition("noqa: PLC0415")
    return len((comment[0] + comment[2]).split()) >= 3


def _loaded_by(*modules: str) -> set[str]:
    program = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {name.split(".")[0] for name in done.stdout.split()}
