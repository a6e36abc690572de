"""The image, built and run for real, with the very rights and variables that the manifests give it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cgtune
from tests.deploy.manifests import Object, kustomize, only
from tests.live import images
from tests.live.containers import Container, Podman, podman as run_podman
from tests.support import goprograms
from tests.support.command import ROOT
from tests.support.serving import Stopwatch, parse_metrics

pytestmark = pytest.mark.live

_FETCH = """
import sys, urllib.request, urllib.error
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=60)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status)
print(answer.read().decode(), end="")
"""


@pytest.fixture(scope="module")
def image(podman: Podman) -> tuple[str, ...]:
    """cgtune's image, of this checkout."""
    return images.build_image()


@pytest.fixture(scope="module")
def shop(podman: Podman) -> Container:
    """Half a CPU, 256 MiB, and a Go program of user 1000 that believes in eight CPUs."""
    program = goprograms.build("1.24.11")
    return podman.start(
        *("--cpus", "0.5", "--memory", "256m", "--user", "1000:1000", "--env", "GOMAXPROCS=8", "--volume", f"{program}:/shop:ro"),
        argv=("/shop",),
    )


def _pod_with_sidecar(*more: str) -> Object:
    """The pod of a program with the sidecar in it."""
    spec: Object = only(kustomize("sidecar", *more), "Deployment", "with-deployment")["spec"]["template"]["spec"]
    return spec


def _try_to_fetch(container: Container, path: str) -> tuple[int, str]:
    """Status and body, asked for from within the container's network; 0 where there is no answer."""
    argv = ["nsenter", f"--net=/proc/{container.pid}/ns/net", sys.executable, "-c", _FETCH, f"http://127.0.0.1:9464{path}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    status, _, body = done.stdout.partition("\n")
    return int(status or 0), body


def _fetch(container: Container, path: str) -> tuple[int, str]:
    """The answer of a service that is there: a client that stood still for ten seconds with its machine was shown out, and asks again."""
    answers = [(0, "")]

    def is_answered() -> bool:
        answers.append(_try_to_fetch(container, path))
        return answers[-1][0] != 0

    _wait_for(is_answered, container)
    return answers[-1]


def _wait_for(is_so: Callable[[], object], container: Container) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail(run_podman("logs", container.name).stderr)
        time.sleep(0.1)


def _assert_the_shop_is_found(container: Container, pid: int) -> str:
    """Every address answers, and the finding is there, of the right process. Gives back the metrics."""
    _wait_for(lambda: _try_to_fetch(container, "/readyz")[0] == 200, container)
    assert _fetch(container, "/healthz") == (200, "alive\n")
    # Not at once: with a fifth of a CPU on a busy machine a report may be too old to be believed.
    _wait_for(lambda: re.search(rf"gomaxprocs-exceeds-quota(, hurts \w+)?: {pid} shop", _fetch(container, "/check")[1]), container)
    assert _fetch(container, "/check")[0] == 503
    report = json.loads(_fetch(container, "/report")[1])
    (entry,) = (each for each in report["processes"] if each["pid"] == pid)
    assert entry["enforced"]["cpu"]["limit_cores"] == 0.5
    assert entry["enforced"]["memory"]["limit_bytes"] == 256 << 20
    assert entry["settings"]["GOMAXPROCS"]["observed"] == 8
    # Series are for processes that are older than one interval
    _wait_for(lambda: "cgtune_finding{" in _fetch(container, "/metrics")[1], container)
    status, page = _fetch(container, "/metrics")
    assert status == 200
    samples = parse_metrics(page)
    found = {labels["rule"] for labels, _ in samples["cgtune_finding"] if labels["pid"] == str(pid)}
    assert "gomaxprocs-exceeds-quota" in found
    return page


def test_the_sidecar(podman: Podman, image: tuple[str, ...], shop: Container) -> None:
    """With the manifest's rights, a fifth of a CPU and 64 MiB it sees its neighbour and answers; the health check agrees; TERM ends it."""
    flags = ("--pid", f"container:{shop.name}", *images.SMALL, *images.flags_of(_pod_with_sidecar(), user="1000:1000"))
    sidecar = podman.start(*flags, image=image, argv=("serve",), network=f"container:{shop.name}")
    page = _assert_the_shop_is_found(sidecar, 1)
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, timeout=60, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    # Not at once, perhaps: on a machine that stands still it takes longer than its three seconds
    _wait_for(lambda: run_podman("healthcheck", "run", sidecar.name).returncode == 0, sidecar)
    with Stopwatch() as watch:
        os.kill(sidecar.pid, signal.SIGTERM)
        _wait_for(lambda: not Path(f"/proc/{sidecar.pid}/status").exists(), sidecar)
    assert watch.seconds < 3  # it has a fifth of a CPU
    assert podman.stop(sidecar) == 0


def test_the_sidecar_for_any_user(podman: Podman, image: tuple[str, ...], shop: Container) -> None:
    """Root with the two capabilities looks into another user's program; another user without them says that nobody knows."""
    beside = ("--pid", f"container:{shop.name}", *images.SMALL)
    words = images.flags_of(_pod_with_sidecar("sidecar-any-user"))
    able = podman.start(*beside, *words, image=image, argv=("serve",), network=f"container:{shop.name}")
    _assert_the_shop_is_found(able, 1)
    podman.stop(able)
    blind = podman.start(*beside, *images.flags_of(_pod_with_sidecar()), image=image, argv=("serve",), network=f"container:{shop.name}")
    _wait_for(lambda: _try_to_fetch(blind, "/readyz")[0] == 200, blind)
    status, told = _fetch(blind, "/check")
    assert status == 503, told
    samples = parse_metrics(_fetch(blind, "/metrics")[1])
    assert samples["cgtune_go_processes"] == [({}, 0.0)]
    assert samples["cgtune_unreadable_processes"][0][1] > 0
    podman.stop(blind)


def test_a_missing_capability_is_named(podman: Podman, image: tuple[str, ...], shop: Container) -> None:
    """Root with SYS_PTRACE alone knows the limits and the Go version; what else it lacks, and that it is DAC_READ_SEARCH, the notes say."""
    beside = ("--pid", f"container:{shop.name}", "--user", "0:0", "--cap-drop", "ALL")
    inspect = ("inspect", "--pid", "1", "--format", "json")
    (entry,) = json.loads(podman.run(*beside, image=image, argv=inspect).stdout)["processes"]
    assert ({note["privilege"] for note in entry["notes"]} - {None}, entry["go"]) == ({"CAP_SYS_PTRACE"}, None)
    (entry,) = json.loads(podman.run(*beside, "--cap-add", "SYS_PTRACE", image=image, argv=inspect).stdout)["processes"]
    assert {note["privilege"] for note in entry["notes"]} - {None} == {"CAP_DAC_READ_SEARCH"}
    assert entry["enforced"]["cpu"]["limit_cores"] == 0.5
    assert (entry["go"]["version"], entry["settings"]["GOMAXPROCS"]["observed"]) == ("1.24.11", None)


def test_the_node_agent(podman: Podman, image: tuple[str, ...], shop: Container) -> None:
    """With the manifest's folders and rights, without the host's pids, it sees the program with its whole chain, and can write nowhere."""
    spec = only(kustomize(), "DaemonSet")["spec"]["template"]["spec"]
    words = (*images.mounts_of(spec), *images.SMALL, "--cgroupns", "private", *images.flags_of(spec))
    agent = podman.start(*words, image=image, argv=("serve",))
    page = _assert_the_shop_is_found(agent, shop.pid)
    entry: dict[str, Any] = next(each for each in json.loads(_fetch(agent, "/report")[1])["processes"] if each["pid"] == shop.pid)
    assert entry["container"]["id"] == shop.identity
    assert entry["enforced"]["cpu"]["chain"][-1]["path"] == "/"
    assert ("podman://" + shop.identity) in page
    (info,) = (labels for labels, _ in parse_metrics(page)["cgtune_go_info"] if labels["pid"] == str(shop.pid))
    assert info["id"] in {line.split(":", 2)[2] for line in Path(f"/proc/{shop.pid}/cgroup").read_text().splitlines()} - {"/"}
    tried = run_podman("exec", agent.name, "sh", "-c", f"kill -0 {shop.pid}; echo 0 > /host/proc/{shop.pid}/oom_score_adj; touch /x")
    assert "No such process" in tried.stderr
    assert tried.stderr.count("Read-only file system") == 2
    assert podman.stop(agent) == 0


def test_what_is_in_the_image(podman: Podman, image: tuple[str, ...]) -> None:
    """Nobody's user, no tool to build or fetch, bytecode for every module that is never held against its source, and words about itself."""
    said = json.loads(run_podman("image", "inspect", *image).stdout)[0]
    assert said["User"] == "65532:65532"
    labels = said["Labels"]
    assert labels["org.opencontainers.image.version"] == cgtune.__version__
    assert labels["org.opencontainers.image.revision"] == "test"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    script = """
import importlib.util, pathlib, shutil, sys
print([name for name in ("pip", "pip3", "gcc", "cc", "make", "git", "curl", "wget", "easy_install") if shutil.which(name)])
print([name for name in ("pip", "ensurepip", "setuptools", "wheel", "hatchling") if importlib.util.find_spec(name)])
site = next(pathlib.Path("/opt/cgtune/lib").glob("python3.*/site-packages"))
sources = [path for path in site.rglob("*.py")]
compiled = [pathlib.Path(importlib.util.cache_from_source(path)) for path in sources]
print([str(path) for path in compiled if not path.is_file() or path.read_bytes()[4:8] != bytes((1, 0, 0, 0))][:3], len(compiled) > 100)
print(sorted(path.name for path in pathlib.Path("/opt/cgtune/bin").iterdir() if not path.name.startswith("python")))
"""
    argv = ("--entrypoint", '["/opt/cgtune/bin/python3", "-I", "-c"]')
    done = podman.run(*argv, image=image, argv=(script,))
    assert done.stdout.splitlines() == ["[]", "[]", "[] True", "['cgtune']"], done.stdout + done.stderr


def test_the_image_lists_its_parts(podman: Podman, image: tuple[str, ...]) -> None:
    """Its CycloneDX document is valid, and names cgtune of this version and exactly the packages that the lock has, no more and no less."""
    done = podman.run("--entrypoint", '["cat"]', image=image, argv=("/opt/cgtune/sbom.cdx.json",))
    document = json.loads(done.stdout)
    images.cyclonedx_validator(document["specVersion"]).validate(document)
    about = document["metadata"]["component"]
    assert (about["name"], about["version"]) == ("cgtune", cgtune.__version__)
    lock = (ROOT / "deploy" / "requirements.lock").read_text()
    assert sorted(each["purl"] for each in document["components"]) == sorted(
        f"pkg:pypi/{name}@{version}" for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE)
    )
    assert [each["name"] for each in document["components"] if not each.get("licenses")] == []


@pytest.mark.parametrize(
    ("argv", "word"), [(("--version",), cgtune.__version__), (("explain", "oom-killed"), "oom-killed"), (("check", "--self"), "")]
)
def test_the_image_is_every_command(podman: Podman, image: tuple[str, ...], argv: tuple[str, ...], word: str) -> None:
    """Whatever follows the image's name is a command of cgtune."""
    done = podman.run(image=image, argv=argv)
    assert done.returncode == 0, done.stderr
    assert word in done.stdout


def test_the_context_is_what_the_image_is_made_of() -> None:
    """Nothing that .dockerignore lets through is left out by the Dockerfile, and nothing that it copies is held back."""
    copied = [line.split()[1:-1] for line in (ROOT / "deploy" / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")]
    wanted = {name for names in copied for name in names if not name.startswith(("--from", "/"))}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert allowed - {"deploy/Dockerfile"} == wanted
