"""deploy/examples without running them: manifests are what Kubernetes, compose and systemd understand, and are locked down."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import kubelet, kubernetes
from tests.support.command import ROOT
from tests.support.needs import require

EXAMPLES = ROOT / "deploy" / "examples"
PODS = ("pod-filekeyref.yaml", "pod-shell.yaml")
WATCHED = "pod-watch.yaml"


def read_pod(name: str) -> dict[str, Any]:
    """The one object of a manifest."""
    (pod,) = kubernetes.read_objects((EXAMPLES / name).read_text())
    return pod


@pytest.mark.parametrize(
    ("name", "version"),
    [
        *(("pod-filekeyref.yaml", "1.35"), (WATCHED, "1.35"), ("pod-shell.yaml", kubernetes.OLDEST)),
        *((name, kubernetes.NEWEST) for name in (*PODS, WATCHED)),
    ],
)
@pytest.mark.fetched
def test_the_pods_are_what_kubernetes_takes(name: str, version: str) -> None:
    """Strict schemas of the first version that each is for, and of the newest, have nothing against them."""
    assert kubernetes.violations(read_pod(name), version) == []


@pytest.mark.parametrize("name", [*PODS, WATCHED])
@pytest.mark.fetched
def test_kubectl_reads_the_very_same_pods(name: str) -> None:
    """kubectl's own types keep every field, also those that the containers share by a YAML alias: what it sends is what stands there."""
    done = kubernetes.run("kubectl", "set", "image", "--local", "--filename", EXAMPLES / name, "app=other:1", "--output", "json")
    assert done.returncode == 0, done.stderr
    expected = read_pod(name)
    kubelet.containers(expected)["app"]["image"] = "other:1"
    assert json.loads(done.stdout) == expected | {"status": {}}


def _misspell_key(pod: dict[str, Any]) -> None:
    variable = kubelet.containers(pod)["app"]["env"][0]["valueFrom"]["fileKeyRef"]
    variable["volume"] = variable.pop("volumeName")


def _misspell_container(pod: dict[str, Any]) -> None:
    reference = kubelet.containers(pod)["cgtune"]["env"][0]["valueFrom"]["resourceFieldRef"]
    reference["container"] = reference.pop("containerName")


def _misspell_lock(pod: dict[str, Any]) -> None:
    kubelet.containers(pod)["app"]["securityContext"]["readonlyRootFilesystem"] = True


@pytest.mark.parametrize(
    ("misspell", "word"),
    [(_misspell_key, "'volume' was"), (_misspell_container, "'container' was"), (_misspell_lock, "readonlyRootFilesystem")],
)
@pytest.mark.fetched
def test_a_typo_in_a_pod_is_told(misspell: Any, word: str) -> None:
    """The check can fail: one letter off, and the strict schema names it."""
    pod = copy.deepcopy(read_pod("pod-filekeyref.yaml"))
    misspell(pod)
    assert any(word in line for line in kubernetes.violations(pod, "1.35"))


@pytest.mark.fetched
def test_keys_of_files_are_new() -> None:
    """Kubernetes 1.33 does not know fileKeyRef, which is why there are two pods."""
    told = kubernetes.violations(read_pod("pod-filekeyref.yaml"), "1.33")
    assert all("fileKeyRef" in line for line in told)
    assert told


@pytest.mark.parametrize("name", [*PODS, WATCHED])
def test_the_pods_are_locked_down(name: str) -> None:
    """Each container has what Kubernetes' restricted profile asks for, a root file system that cannot be written, requests and limits."""
    pod = read_pod(name)
    shared = pod["spec"]["securityContext"]
    assert (shared["runAsNonRoot"], shared["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert shared["runAsUser"] > 0
    assert pod["spec"]["automountServiceAccountToken"] is False
    for container in kubelet.containers(pod).values():
        expected = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert container["securityContext"] == expected
        assert {*container["resources"]["requests"], *container["resources"]["limits"]} == {"cpu", "memory"}
        assert {*container["resources"]["limits"]} == {"cpu", "memory"}


def test_both_pods_have_the_same_init_container() -> None:
    """Who starts with the shell can move to fileKeyRef without another look at cgtune."""
    first, second = (kubelet.containers(read_pod(name))["cgtune"] for name in PODS)
    assert first == second


def test_the_pod_that_follows_a_resize_is_the_other_one() -> None:
    """But for the sidecar, its volume, the restart and the pause it is pod-filekeyref.yaml: the same app with the same locks."""
    first, second = (kubelet.containers(read_pod(name)) for name in ("pod-filekeyref.yaml", WATCHED))
    app = dict(second["app"])
    policies = {policy["resourceName"]: policy["restartPolicy"] for policy in app.pop("resizePolicy")}
    assert policies == {"cpu": "NotRequired", "memory": "RestartContainer"}
    assert app.pop("lifecycle")["preStop"]["sleep"]["seconds"] >= 3
    assert app == first["app"]
    assert (second["cgtune"]["restartPolicy"], second["cgtune"]["args"]) == ("Always", ["env", "--watch"])
    assert second["cgtune"]["startupProbe"]["exec"]["command"] == ["cgtune", "env"]
    (volume,) = (each for each in read_pod(WATCHED)["spec"]["volumes"] if "downwardAPI" in each)
    references = [item["resourceFieldRef"] for item in volume["downwardAPI"]["items"]]
    same = [each["valueFrom"]["resourceFieldRef"] for each in first["cgtune"]["env"] if "valueFrom" in each]
    assert references == same


def test_images_have_a_version() -> None:
    """No image is the newest of whatever day it is: each bears a tag, and cgtune's is this version."""
    from cgtune import __version__

    images = [image for path in EXAMPLES.iterdir() for image in re.findall(r"registry\.example\.com/[^\s\"']+", path.read_text())]
    assert {image.rsplit("/", 1)[1] for image in images} == {f"cgtune:{__version__}", "server:1.0.0"}
    assert not [path.name for path in EXAMPLES.iterdir() if "latest" in path.read_text()]


def test_the_unit_is_what_systemd_understands(tmp_path: Path) -> None:
    """systemd-analyze verify has nothing to say about the unit, once its two programs are there; and it would tell a typo."""
    require(shutil.which("systemd-analyze"), "apt-get install --no-install-recommends systemd")
    text = (EXAMPLES / "server.service").read_text()
    assert text.count("/usr/local/bin/cgtune ") == 1
    there = re.sub(r"/usr/local/bin/\w+", "/bin/true", text)
    assert _verify(tmp_path / "server.service", there) == (0, "")
    code, told = _verify(tmp_path / "server.service", there.replace("CPUQuota=", "CPUQuote="))
    assert "CPUQuote" in told, (code, told)


def _verify(place: Path, text: str) -> tuple[int, str]:
    place.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(place)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_services_of_compose_are_locked_down() -> None:
    """Both: a root file system that cannot be written, no capability, no new privileges, limits; and the one has the other's limits."""
    ((tune, server),) = (read["services"].values() for read in kubernetes.read_objects((EXAMPLES / "compose.yaml").read_text()))
    for service in (tune, server):
        locks = (service["read_only"], service["cap_drop"], service["security_opt"])
        assert locks == (True, ["ALL"], ["no-new-privileges"])
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    named = {"cpus": tune["environment"]["CGTUNE_CPU_LIMIT"], "memory": tune["environment"]["CGTUNE_MEMORY_LIMIT"]}
    assert named == server["deploy"]["resources"]["limits"]


def test_every_example_is_in_the_readme() -> None:
    """README.md beside the examples names each of them."""
    readme = (EXAMPLES / "README.md").read_text()
    assert [path.name for path in EXAMPLES.iterdir() if f"]({path.name})" not in readme and path.name != "README.md"] == []
