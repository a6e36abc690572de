"""deploy/examples, run: their own commands with their own limits and environments, in real containers, and what real Go programs took."""

from __future__ import annotations

import copy
import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.live.engine import CGTUNE, SERVER, Engine, libraries, own_engine
from tests.support import goprograms, kubelet
from tests.support.envreaders import read_kubernetes
from tests.support.needs import require
from tests.support.volumes import publish
from tests.test_examples import EXAMPLES, WATCHED, read_pod

pytestmark = pytest.mark.live

_LIMIT_BYTES = 536870912
_GO = {"1.24": ("1.24.11", "1.21"), "1.27": ("1.27.3", "1.27")}  # what the manifests say: which toolchain, which go line
_SHELLS = {"bash": ("/bin/bash",), "dash": ("/bin/dash",), "busybox": ("/bin/busybox",)}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """podman with the image of cgtune."""
    with own_engine(tmp_path_factory.mktemp("engine")) as own:
        own.tag_cgtune()
        yield own


def _build(go: str) -> Path:
    version, language = _GO[go]
    return goprograms.build(version, language=language)


def _report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What the Go program says of itself, in the only line that it prints."""
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _take_memory_limit(report: dict[str, Any]) -> int:
    """The memory limit that the program took, which has to lie below the container's by a sensible headroom."""
    limit: int = report["memory_limit"]
    assert 0.85 * _LIMIT_BYTES < limit < 0.97 * _LIMIT_BYTES
    assert limit % (1 << 20) == 0
    return limit


class Pod:
    """A pod of the examples, which podman runs container by container, as the kubelet would."""

    def __init__(self, engine: Engine, manifest: dict[str, Any], folder: Path) -> None:
        self.engine = engine
        self.manifest = manifest
        self.volumes: dict[str, Path] = {volume["name"]: folder / volume["name"] for volume in manifest["spec"]["volumes"]}
        for place in self.volumes.values():
            place.mkdir()
            place.chmod(0o777)  # as an emptyDir is

    def run(self, name: str, *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run one of its containers to its end."""
        options, image = kubelet.podman_options(self.manifest, name, self.volumes)
        # Input only for a program that waits for it: podman can lose the output of one that ends before it was fed.
        interactive = ["--interactive"] if stdin else []
        return self.engine.run("podman", "run", "--rm", *interactive, *options, *image, stdin=stdin)

    def env_file(self) -> str:
        """What the init container wrote, by the reader's rules and as text."""
        return (self.volumes["go-env"] / "go.env").read_text()


def _with_go(manifest: dict[str, Any], go: str) -> dict[str, Any]:
    """The pod for an app of another Go version: the one line that its manifest has for that."""
    changed = copy.deepcopy(manifest)
    (variable,) = (each for each in kubelet.containers(changed)["cgtune"]["env"] if each["name"] == "CGTUNE_GO")
    variable["value"] = go
    return changed


@pytest.mark.parametrize("go", ["1.24", "1.27"])
def test_an_init_container_writes_what_the_kubelet_hands_to_the_app(engine: Engine, tmp_path: Path, go: str) -> None:
    """With 0.1 CPU and 64 MiB of its own it writes for 2.5 CPUs and 512 MiB: Go 1.24 takes 3 and the limit, Go 1.27 only the limit.

    The app's image holds the program and nothing else.
    """
    engine.build_server(_build(go))
    pod = Pod(engine, _with_go(read_pod("pod-filekeyref.yaml"), go), tmp_path)
    written = pod.run("cgtune")
    assert written.returncode == 0, written.stderr
    keys = read_kubernetes(pod.env_file())
    taken = kubelet.container_environment(pod.manifest, "app", pod.volumes)
    assert taken == keys
    report = _report(pod.run("app", stdin="exit\n"))
    assert taken["GOMEMLIMIT"] == f"{_take_memory_limit(report) >> 20}MiB"
    if go == "1.24":
        assert "GOMAXPROCS='3'\n" in pod.env_file()
        assert report["gomaxprocs"] == 3
    else:
        assert set(taken) == {"GOMEMLIMIT"}
        assert "\n# GOMAXPROCS stays unset: " in f"\n{pod.env_file()}"
        assert report["gomaxprocs"] == min(3, report["num_cpu"])


def test_the_same_pod_again_touches_nothing(engine: Engine, tmp_path: Path) -> None:
    """When the kubelet runs the init container once more, the file stays the very same one."""
    pod = Pod(engine, read_pod("pod-filekeyref.yaml"), tmp_path)
    assert pod.run("cgtune").returncode == 0
    first = (pod.volumes["go-env"] / "go.env").stat()
    assert pod.run("cgtune").returncode == 0
    second = (pod.volumes["go-env"] / "go.env").stat()
    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)


def test_a_resize_of_memory_reaches_the_app_that_starts_again(engine: Engine, tmp_path: Path) -> None:
    """pod-watch.yaml: the sidecar runs with the limits and locks of its manifest; the volume changes as the kubelet changes it.

    The next start of the app takes the new limit, before the pause of its preStop hook is over; the sidecar ends with 0 at SIGTERM.
    """
    engine.build_server(_build("1.27"))
    pod = Pod(engine, read_pod(WATCHED), tmp_path)
    publish(pod.volumes["limits"], kubelet.downward_files(pod.manifest, "limits"))
    options, image = kubelet.podman_options(pod.manifest, "cgtune", pod.volumes)
    sidecar = engine.told("run", "--detach", *options, *image).strip()
    try:
        probe = kubelet.containers(pod.manifest)["cgtune"]["startupProbe"]["exec"]["command"]
        assert engine.run("podman", "exec", sidecar, *probe).returncode == 0
        first = _report(pod.run("app", stdin="exit\n"))
        _take_memory_limit(first)
        kubelet.containers(pod.manifest)["app"]["resources"]["limits"] |= {"memory": "768Mi"}
        publish(pod.volumes["limits"], kubelet.downward_files(pod.manifest, "limits"))
        time.sleep(kubelet.containers(pod.manifest)["app"]["lifecycle"]["preStop"]["sleep"]["seconds"])
        second = _report(pod.run("app", stdin="exit\n"))
        assert second["memory_limit"] == (691 << 20) > first["memory_limit"]
        assert second["gomaxprocs"] == min(3, second["num_cpu"])  # by itself: the file leaves it out
        began = time.monotonic()
        engine.told("stop", "--time", "10", sidecar)
        assert time.monotonic() - began < 5
        assert engine.told("inspect", "--format", "{{.State.ExitCode}}", sidecar).strip() == "0"
        said = engine.run("podman", "logs", sidecar).stderr
        assert [line for line in said.splitlines() if ", was " in line] == ["cgtune: /env/go.env is written: GOMEMLIMIT 691MiB, was 460MiB"]
    finally:
        engine.run("podman", "rm", "--force", "--time", "0", sidecar)


@pytest.mark.parametrize("shell", list(_SHELLS))
def test_a_shell_reads_the_file_before_the_app(engine: Engine, tmp_path: Path, shell: str) -> None:
    """bash, dash and busybox as the image's /bin/sh: the app takes 3 and the limit, and is the process that the shell was.

    Without the file the shell ends with an error that names it, in all three: no app runs on by mistake without its values.
    """
    (program,) = map(Path, _SHELLS[shell])
    require(program.is_file(), f"apt-get install --no-install-recommends {'busybox-static' if shell == 'busybox' else shell}")
    engine.build_server(_build("1.24"), {"/bin/sh": program, **libraries(program)})
    pod = Pod(engine, read_pod("pod-shell.yaml"), tmp_path)
    without = pod.run("app")
    assert (without.returncode != 0, without.stdout) == (True, "")
    assert "/env/go.env" in without.stderr
    assert pod.run("cgtune").returncode == 0
    report = _report(pod.run("app", stdin="exit\n"))
    assert (report["gomaxprocs"], report["pid"]) == (3, 1)
    _take_memory_limit(report)


def test_docker_run(engine: Engine) -> None:
    """docker-run.sh as it stands, with podman for docker: the app takes 3 and the limit, and no file is left behind."""
    engine.build_server(_build("1.24"))
    scratch = engine.folder / "scratch"
    scratch.mkdir()
    done = engine.run("env", f"TMPDIR={scratch}", str(EXAMPLES / "docker-run.sh"), "report", "exit")
    report = _report(done)
    assert report["gomaxprocs"] == 3
    _take_memory_limit(report)
    assert list(scratch.iterdir()) == []


def test_docker_run_starts_nothing_when_cgtune_fails(engine: Engine) -> None:
    """A limit that is none: cgtune's one line and its code, and the app is not started."""
    text = (EXAMPLES / "docker-run.sh").read_text().replace("memory=536870912", "memory=512mi")
    script = engine.folder / "broken.sh"
    script.write_text(text)
    done = engine.run("sh", str(script), "report", "exit")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("cgtune: "))
    assert "512mi" in line


def test_compose(engine: Engine, tmp_path: Path) -> None:
    """The command that compose.yaml names, with podman-compose: its env_file reaches the app, which has the limits and locks of the file.

    What a second file adds is for this machine and this program only: no network, and a program that ends.
    """
    engine.build_server(_build("1.24"))
    shutil.copy(EXAMPLES / "compose.yaml", tmp_path)
    here = {"services": {"server": {"network_mode": "none", "command": ["report", "exit"]}}}
    (tmp_path / "override.yaml").write_text(yaml.safe_dump(here))
    compose = shlex.join([sys.executable, "-m", "podman_compose", "--in-pod=false", "--file", "compose.yaml", "--file", "override.yaml"])
    (line,) = (line for line in (EXAMPLES / "compose.yaml").read_text().splitlines() if "docker compose" in line)
    script = line.lstrip("# ").replace("docker compose", compose)
    done = engine.run("sh", "-c", script, cwd=tmp_path)
    (made,) = json.loads(engine.told("inspect", *engine.told("ps", "--all", "--quiet").split()))
    engine.run("sh", "-c", f"{compose} down", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (said,) = (each for each in done.stdout.splitlines() if "[server]" in each)
    report = json.loads(said[said.index("{") :])
    assert report["gomaxprocs"] == 3
    host = made["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["ReadonlyRootfs"]) == (2_500_000_000, _LIMIT_BYTES, True)
    assert (made["EffectiveCaps"] or [], host["SecurityOpt"]) == ([], ["no-new-privileges"])
    assert f"\nGOMEMLIMIT={_take_memory_limit(report) >> 20}MiB\n" in (tmp_path / "go.env").read_text()


def test_an_image_with_cgtune_exec_as_its_entrypoint(engine: Engine, tmp_path: Path) -> None:
    """The Dockerfile, built over the image of cgtune: the program is pid 1, has values for its limits, and keeps what was given it."""
    shutil.copy(EXAMPLES / "Dockerfile", tmp_path)
    shutil.copy(_build("1.24"), tmp_path / "server")
    engine.build(SERVER, tmp_path)
    limits = ("--cpus", "1.5", "--memory", str(_LIMIT_BYTES), "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    done = engine.run("podman", "run", "--rm", "--interactive", *limits, SERVER, stdin="exit\n")
    report = _report(done)
    assert (report["gomaxprocs"], report["pid"]) == (2, 1)
    _take_memory_limit(report)
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("cgtune: "))
    assert line.startswith("cgtune: exec /server (Go 1.24.11): GOMAXPROCS=2 ")
    given = _report(engine.run("podman", "run", "--rm", "--interactive", *limits, "--env", "GOMEMLIMIT=100MiB", SERVER, stdin="exit\n"))
    assert (given["gomaxprocs"], given["memory_limit"]) == (2, 100 << 20)


def test_an_image_over_that_of_cgtune_inherits_no_health_check(engine: Engine, tmp_path: Path) -> None:
    """The server's image has neither the health check nor the name of the one below it, and cgtune is there under its name."""
    shutil.copy(EXAMPLES / "Dockerfile", tmp_path)
    (tmp_path / "server").touch()
    engine.build(SERVER, tmp_path)
    (below,), (built,) = (json.loads(engine.told("inspect", "--type", "image", name)) for name in (CGTUNE, SERVER))
    assert below["Healthcheck"]["Test"][0] == "CMD"
    assert built["Healthcheck"] == {"Test": ["NONE"]}
    assert built["Labels"]["org.opencontainers.image.title"] == "server"
    assert engine.told("run", "--rm", "--entrypoint", "cgtune", SERVER, "--version") == engine.told("run", "--rm", CGTUNE, "--version")
