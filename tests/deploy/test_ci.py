"""What deploy/ci gives to pipelines, run as far as that goes without them: pre-commit for real, the steps of GitHub and GitLab by hand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import inside, kubernetes
from tests.support.command import PROGRAM, ROOT, environment
from tests.support.lintreports import MANIFEST
from tests.support.needs import require
from tests.support.toolchains import cache

CI = ROOT / "deploy" / "ci"
PRE_COMMIT = "pre-commit==4.7.0"
GOOD = MANIFEST.replace("512MiB", "460MiB").replace("2}", '"2"}')


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder for PATH in which `cgtune` and `pip` are: the one is this checkout's, the other only says what it was asked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    words = " ".join(f"'{word}'" for word in PROGRAM)
    (folder / "cgtune").write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    (folder / "pip").write_text('#!/bin/sh\necho "$@" >"$PIP_LOG"\n')
    for path in folder.iterdir():
        path.chmod(0o755)
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a manifest that has two mistakes, and a file that is none."""
    require(shutil.which("git"), "needs git: apt-get install git")
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "orders.yaml").write_text(MANIFEST)
    (folder / "values.yaml").write_text("replicas: 1\n")
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=folder, check=True, timeout=30)
    return folder


def pre_commit(repository: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run pre-commit, which is fetched once and kept in the cache."""
    place = cache() / "pre-commit" / PRE_COMMIT
    if not (place / "pre_commit").is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as building:
            argv = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--target", building, PRE_COMMIT]
            fetched = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
            require(fetched.returncode == 0, f"pre-commit could not be fetched: {fetched.stderr[-300:]}")
            shutil.copytree(building, place, dirs_exist_ok=True)
    home = repository.parent / "home"
    home.mkdir(exist_ok=True)
    env = environment(PYTHONPATH=str(place), PRE_COMMIT_HOME=str(home), **environ)
    argv = [sys.executable, "-m", "pre_commit", *words]
    return subprocess.run(argv, cwd=repository, capture_output=True, text=True, timeout=600, env=env, check=False)


def test_the_hook_of_this_repository_takes_what_lint_reads() -> None:
    """The names of files that lint knows below a folder, and no others; what changed may hold no container."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    names = ("a.yaml", "b/a.yml", "a.json", "a.service", "a.slice", "a.yaml.orig", "yaml", "a.py")
    assert [name for name in names if re.search(hook["files"], name)] == list(names[:5])
    assert hook["entry"].split() == ["cgtune", "lint", "--allow-empty"]
    (local,) = yaml.safe_load((CI / "pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert {key: hook[key] for key in ("id", "name", "entry", "files", "require_serial")} == {
        key: local[key] for key in ("id", "name", "entry", "files", "require_serial")
    }


@pytest.mark.fetched
def test_pre_commit_runs_an_installed_cgtune(repository: Path, program: Path) -> None:
    """It fails for the mistake, is silent when that is mended, and for a file that holds no container."""
    shutil.copy(CI / "pre-commit-config.yaml", repository / ".pre-commit-config.yaml")
    path = f"{program}:{os.environ['PATH']}"
    done = pre_commit(repository, "run", "--all-files", PATH=path)
    assert done.returncode == 1, done
    assert "orders.yaml:15:37: critical env-value-not-string" in done.stdout
    assert pre_commit(repository, "run", "--files", "values.yaml", PATH=path).returncode == 0
    (repository / "orders.yaml").write_text(GOOD)
    done = pre_commit(repository, "run", "--all-files", PATH=path)
    assert (done.returncode, "Passed" in done.stdout) == (0, True), done


@pytest.mark.fetched
@pytest.mark.slow
def test_pre_commit_installs_this_repository_s_hook(repository: Path, tmp_path: Path) -> None:
    """As others would from this repository: what is committed here is cloned, installed with what it needs, and run."""
    require((ROOT / ".git").exists(), "needs a clone with its history")
    done = pre_commit(repository, "try-repo", str(ROOT), "cgtune-lint", "--all-files")
    assert done.returncode == 1, done
    assert "orders.yaml:15:37: critical env-value-not-string" in done.stdout


def run_steps(action: dict[str, Any], inputs: dict[str, str], folder: Path, program: Path) -> subprocess.CompletedProcess[str]:
    """The last step of the composite action, as the runner starts it: with its environment, and bash as it is started there."""
    step = action["runs"]["steps"][-1]
    given = {name: row.get("default", "") for name, row in action["inputs"].items()} | inputs
    env = {name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], value) for name, value in step["env"].items()}
    temp = folder.parent / "temp"
    (temp / "cgtune").mkdir(parents=True, exist_ok=True)
    if not (temp / "cgtune/bin").exists():
        (temp / "cgtune/bin").symlink_to(program)
    env |= {"RUNNER_TEMP": str(temp), "GITHUB_OUTPUT": str(temp / "output"), "GITHUB_ACTION_PATH": str(CI / "github")}
    script = temp / "step.sh"
    script.write_text(step["run"])
    argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=120, env=environment(**env), check=False)


def test_the_action_for_github(repository: Path, program: Path) -> None:
    """Annotations, or a file that an output names; the exit code is lint's, inputs are never part of a script, and all of them are used."""
    text = (CI / "github/action.yml").read_text()
    action = yaml.safe_load(text)
    assert action["runs"]["using"] == "composite"
    assert not any("${{" in step["run"] for step in action["runs"]["steps"])
    assert all(f"inputs.{name} " in text for name in action["inputs"])
    done = run_steps(action, {}, repository, program)
    assert done.returncode == 1, done
    assert done.stdout.startswith("::warning file=orders.yaml,line=14,")
    done = run_steps(action, {"format": "sarif", "paths": "values.yaml orders.yaml", "fail-on": "critical"}, repository, program)
    assert (done.returncode, done.stdout) == (1, "")
    report = Path((repository.parent / "temp/output").read_text().strip().removeprefix("report="))
    assert len(json.loads(report.read_text())["runs"][0]["results"]) >= 2
    (repository / "orders.yaml").write_text(GOOD)
    assert run_steps(action, {}, repository, program).returncode == 0
    (repository / "a").touch()
    done = run_steps(action, {"paths": "$(touch b) ; touch b"}, repository, program)
    assert not (repository / "b").exists()


def test_the_action_installs_its_own_checkout() -> None:
    """What pip is told to install is the folder of this repository."""
    install, _ = yaml.safe_load((CI / "github/action.yml").read_text())["runs"]["steps"]
    (path,) = re.findall(r'"\$GITHUB_ACTION_PATH/([./]+)"', install["run"])
    assert (CI / "github" / path).resolve() == ROOT


def test_the_job_for_gitlab(repository: Path, program: Path) -> None:
    """Its script fails as lint does, and leaves a report of Code Quality behind, findings or none."""
    head, job = yaml.safe_load_all((CI / "gitlab/cgtune-lint.yml").read_text())
    inputs = {name: row.get("default", "cgtune @ file:///x") for name, row in head["spec"]["inputs"].items()}
    text = re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda found: inputs.pop(found[1]), json.dumps(job))
    assert inputs == {}
    (lint,) = json.loads(text).values()
    venv = repository.parent / "venv"
    venv.mkdir()
    (venv / "bin").symlink_to(program)
    install, *rest = [line.replace("/tmp/cgtune-venv", str(venv)) for line in lint["script"]]
    assert install.startswith("python3 -m venv ")
    report = repository / lint["artifacts"]["reports"]["codequality"]
    for content, code in ((MANIFEST, 1), (GOOD, 0)):
        (repository / "orders.yaml").write_text(content)
        env = environment(**lint["variables"], PIP_LOG=str(venv.parent / "pip.log"))
        done = subprocess.run(["bash", "-eo", "pipefail", "-c", "\n".join(rest)], cwd=repository, env=env, timeout=120, check=False)
        assert done.returncode == code
        assert bool(json.loads(report.read_text())) == bool(code)
        report.unlink()
    assert (venv.parent / "pip.log").read_text() == "install --quiet cgtune @ file:///x\n"
    assert lint["artifacts"]["when"] == "always"


def test_what_is_shipped_is_clean() -> None:
    """No finding in any manifest of deploy/ and docs/, whatever its severity."""
    done = inside.run("lint", "--pedantic", ROOT / "deploy", ROOT / "docs")
    assert (done.returncode, done.stdout) == (0, ""), done
    assert "silences nothing" not in done.stderr


@pytest.mark.fetched
def test_what_is_rendered_is_clean() -> None:
    """Nor in what kustomize and the chart make."""
    chart = kubernetes.run("helm", "template", "monitoring", ROOT / "deploy/helm/cgtune")
    made = kubernetes.run("kubectl", "kustomize", ROOT / "deploy/kustomize/node-agent")
    for done in (chart, made):
        assert done.returncode == 0, done.stderr
        argv = [*PROGRAM, "lint", "--pedantic", "-"]
        said = subprocess.run(argv, input=done.stdout, capture_output=True, text=True, timeout=60, env=environment(), check=False)
        assert (said.returncode, said.stdout) == (0, ""), said
