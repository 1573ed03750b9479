"""What `deploy/` says of Retort is true: its settings, paths, port, extras, and time to stop."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from service.api.operations import report_health
from service.errors import StartupError
from service.server import CLOSING_S
from service.settings import Settings, read_settings
from service.settings.file import read_file
from service.settings.options import CONFIG_VARIABLE, OPTIONS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

Instruction = tuple[str, str]


def dockerfile() -> dict[str, list[Instruction]]:
    """The instructions of each stage that has a name, those of the stage it begins with first."""
    text = (DEPLOY / "Dockerfile").read_text()
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    stages: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    for line in filter(None, lines):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            parent, _, name = rest.partition(" AS ")
            current = stages.setdefault(name, list(stages.get(parent, ())))
        else:
            current.append((word, rest))
    return stages


def told(stage: Sequence[Instruction], word: str) -> list[str]:
    return [rest for each, rest in stage if each == word]


def variables_of(stage: Sequence[Instruction]) -> dict[str, str]:
    pairs = [pair.partition("=") for line in told(stage, "ENV") for pair in shlex.split(line)]
    return {name: value for name, _, value in pairs}


def unit(name: str) -> dict[str, str]:
    """The settings of a unit, of all sections, with the folders that systemd puts in."""
    text = (DEPLOY / name).read_text().replace("%S", "/var/lib").replace("%E", "/etc")
    lines = [line.partition("=") for line in text.splitlines() if not line.startswith(("#", "["))]
    return {key: value for key, separator, value in lines if separator}


@pytest.mark.parametrize("path", sorted(DEPLOY.iterdir()), ids=lambda path: path.name)
def test_every_variable_that_is_named_is_read(path: Path) -> None:
    known = {option.variable for option in OPTIONS} | {CONFIG_VARIABLE}
    assert set(re.findall(r"RETORT_[A-Z_]*[A-Z]", path.read_text())) <= known


@pytest.mark.parametrize("path", sorted(DEPLOY.iterdir()), ids=lambda path: path.name)
def test_every_extra_that_is_installed_exists(path: Path) -> None:
    text = path.read_text()
    named = re.findall(r"pip install .*\[([\w,-]+)\]", text)
    choices = re.findall(r"ValidateSet\((.*?)\)", text)
    named += [name.strip(" '") for names in choices for name in names.split(",")]
    extras = {name for names in named for name in names.split(",")}
    assert extras <= set(PYPROJECT["project"]["optional-dependencies"])


@pytest.mark.parametrize("target", ["cpu", "cuda"])
class TestImage:
    def settings(self, target: str, more: Mapping[str, str]) -> Settings:
        """Of a container that is started without a command."""
        stage = dockerfile()[target]
        (program,) = json.loads(told(stage, "ENTRYPOINT")[-1])
        verb, *flags = json.loads(told(stage, "CMD")[-1])
        assert program in PYPROJECT["project"]["scripts"]
        assert verb == "serve"
        return read_settings(flags, variables_of(stage) | dict(more))

    def test_starts_with_a_key_alone(self, target: str) -> None:
        with pytest.raises(StartupError, match="RETORT_API_KEY"):
            self.settings(target, {})
        settings = self.settings(target, {"RETORT_API_KEY": "k"})
        assert settings.host == "0.0.0.0"
        assert settings.device == target

    def test_is_asked_for_its_health_where_it_listens(self, target: str) -> None:
        stage = dockerfile()[target]
        settings = self.settings(target, {"RETORT_API_KEY": "k"})
        (check,) = told(stage, "HEALTHCHECK")
        (path,) = report_health.paths
        assert f"http://127.0.0.1:{settings.port}{path}'" in check
        assert told(stage, "EXPOSE") == [str(settings.port)]

    def test_keeps_models_in_a_volume_of_a_user_who_is_not_root(self, target: str) -> None:
        stage = dockerfile()[target]
        models = self.settings(target, {"RETORT_API_KEY": "k"}).models_folder
        (volume,) = told(stage, "VOLUME")
        (user,) = told(stage, "USER")
        assert models.is_relative_to(volume)
        assert stage[-1] == ("USER", user)
        (made,) = (line for line in told(stage, "RUN") if line.startswith("useradd"))
        assert f"--home-dir {volume} {user} " in made
        assert made.endswith(f"--owner {user} --group {user} {volume}")

    def test_has_the_extra_of_its_name(self, target: str) -> None:
        installs = re.findall(r"\[([\w,-]+)\]", " ".join(told(dockerfile()[target], "RUN")))
        assert installs == [target]


def test_images_are_built_of_what_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        source
        for stage in dockerfile().values()
        for line in told(stage, "COPY")
        for source in line.split()[:-1]
    }
    packages = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert "*" in ignored
    assert kept == copied == {*packages, "pyproject.toml", PYPROJECT["project"]["readme"]}
    assert all((ROOT / source).exists() for source in copied)


def test_the_unit_runs_a_command_that_is_installed_with_settings_that_are_known() -> None:
    service = unit("retort.service")
    program, verb, *flags = shlex.split(service["ExecStart"])
    variable, _, value = service["Environment"].partition("=")
    settings = read_settings(flags, {variable: value})
    assert Path(program).name in PYPROJECT["project"]["scripts"]
    assert verb == "serve"
    assert settings.models_folder.is_relative_to("/var/lib/" + service["StateDirectory"])
    assert service["WorkingDirectory"] == "/etc/" + service["ConfigurationDirectory"]
    assert service["User"] != "root"


def test_the_socket_is_the_one_that_would_be_opened_without_it() -> None:
    settings = Settings()
    assert unit("retort.socket")["ListenStream"] == f"{settings.host}:{settings.port}"


def test_answers_have_the_time_to_finish_before_the_process_is_killed() -> None:
    needed_s = Settings().drain_timeout_s + CLOSING_S
    (stop_timeout_s,) = re.findall(r"--stop-timeout (\d+)", (DEPLOY / "README.md").read_text())
    assert float(unit("retort.service")["TimeoutStopSec"]) > needed_s
    assert float(stop_timeout_s) > needed_s


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    for name in ("retort.service", "retort.socket"):
        text = (DEPLOY / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/retort/bin/retort", sys.executable))
    command = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    said = [line for line in result.stderr.splitlines() if "retort." in line]
    assert (result.returncode, said) == (0, [])


def test_the_settings_that_windows_starts_with_are_known(tmp_path: Path) -> None:
    script = (DEPLOY / "windows.ps1").read_text()
    (written,) = re.findall(r'^ +"(host = .*)" \| Set-Content', script, re.MULTILINE)
    path = tmp_path / "retort.toml"
    path.write_text(written.replace("`n", "\n").replace('`"', '"'))
    assert set(read_file(path)) == {"host", "port", "models_folder"}
    assert '\\retort.exe`" serve --config `"$settings`"' in script
