"""docs/kubectl-debug.md, tried: the container that the real kubectl asks for with each profile, run by podman beside a Go program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.live import images
from tests.live.containers import Container, Podman
from tests.support import goprograms, kubernetes
from tests.support.apiserver import ApiServer
from tests.support.command import ROOT

pytestmark = [pytest.mark.live, pytest.mark.fetched]

_SAME_USER, _ROOT, _IMAGES_USER = "1000:1000", "0:0", "65532:65532"


@pytest.fixture(scope="module")
def image() -> tuple[str, ...]:
    """cgtune's image, of this checkout."""
    return images.build_image()


@pytest.fixture(scope="module")
def shop(podman: Podman) -> Container:
    """Half a CPU, 256 MiB, and a Go program of user 1000, the first process of its container, that believes in eight CPUs."""
    program = goprograms.build("1.24.11")
    limits = ("--cpus", "0.5", "--memory", "256m")
    rest = ("--user", _SAME_USER, "--env", "GOMAXPROCS=8", "--volume", f"{program}:/shop:ro")
    return podman.start(*limits, *rest, argv=("/shop",))


def _ask(spec: dict[str, Any], *options: object) -> dict[str, Any]:
    """What kubectl debug asks the API server for: the ephemeral container."""
    with ApiServer({"securityContext": {}, **spec, "containers": [{"name": "app", "image": "shop:1"}]}) as server:
        fixed = ("--server", server.url, "debug", "shop", "--image=registry.example.com/cgtune:0.1.0", "--target=app", "-c", "cgtune")
        done = kubernetes.run("kubectl", *fixed, *options, "--", "cgtune", "inspect", "--pid", "1")
        assert done.returncode == 0, done.stderr
        ((path, patch),) = server.sent
    assert path == "/api/v1/namespaces/default/pods/shop/ephemeralcontainers"
    (asked,) = patch["spec"]["ephemeralContainers"]
    assert (asked["targetContainerName"], asked["command"]) == ("app", ["cgtune", "inspect", "--pid", "1"])
    return dict(asked)


def _flags(spec: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """Its rights as podman has them: what the container says, else the pod, else the image."""
    rights = spec.get("securityContext", {}) | asked.get("securityContext", {})
    words = ["--user", f"{rights['runAsUser']}:{rights.get('runAsGroup', rights['runAsUser'])}" if "runAsUser" in rights else _IMAGES_USER]
    assert not rights.get("privileged")
    # Podman hands added capabilities to any user (as ambient ones), Kubernetes to root alone (kubernetes/kubernetes#56374)
    for act in ("add", "drop") if rights.get("runAsUser") == 0 else ("drop",):
        words += [word for name in rights.get("capabilities", {}).get(act, ()) for word in (f"--cap-{act}", name)]
    return words + ([] if rights.get("allowPrivilegeEscalation", True) else ["--security-opt", "no-new-privileges"])


_OF_THE_POD = {"securityContext": {"runAsUser": 1000, "runAsGroup": 1000}}
_CUSTOM = ROOT / "deploy" / "examples" / "debug-root.yaml"


@pytest.mark.parametrize(
    ("spec", "options", "seen"),
    [
        (_OF_THE_POD, ("--profile=restricted",), "all"),
        (_OF_THE_POD, ("--profile=baseline",), "all"),
        (_OF_THE_POD, (), "all"),
        ({}, (), "nothing"),
        ({}, ("--profile=restricted",), "nothing"),
        ({}, (f"--custom={_CUSTOM}",), "all"),
        (_OF_THE_POD, (f"--custom={_CUSTOM}",), "all"),
    ],
    ids=["restricted", "baseline", "general", "general, the image's user", "restricted, the image's user", "root", "root in a pod of 1000"],
)
def test_what_a_profile_sees(
    podman: Podman, image: tuple[str, ...], shop: Container, spec: dict[str, Any], options: tuple[str, ...], seen: str
) -> None:
    """The program's user sees all without a privilege, root with what `general` adds; another user is told what is missing."""
    flags = _flags(spec, _ask(spec, *options))
    done = podman.run("--pid", f"container:{shop.name}", *flags, image=image, argv=("inspect", "--pid", "1", "--format", "json"))
    assert done.returncode == 0, done.stderr
    (process,) = json.loads(done.stdout)["processes"]
    if seen == "all":
        assert process["enforced"]["cpu"]["limit_cores"] == 0.5
        assert process["enforced"]["memory"]["limit_bytes"] == 256 << 20
        assert process["settings"]["GOMAXPROCS"]["observed"] == 8
        assert "gomaxprocs-exceeds-quota" in {finding["rule"] for finding in process["findings"]}
    else:
        assert (process["go"], process["enforced"]["cpu"]["limit_cores"], process["enforced"]["cpu"]["chain"]) == (None, None, [])
        assert any(note["privilege"] == "CAP_SYS_PTRACE" for note in process["notes"])


def test_the_profiles_are_what_the_page_says() -> None:
    """`general` is the default and adds SYS_PTRACE alone; `restricted` drops all; kubectl itself warns where a user stands on the pod."""
    general, restricted = _ask({}), _ask({}, "--profile=restricted")
    assert general["securityContext"] == {"capabilities": {"add": ["SYS_PTRACE"]}}
    assert restricted["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert restricted["securityContext"]["runAsNonRoot"] is True
    assert "securityContext" not in _ask({}, "--profile=baseline")
    text = Path(ROOT, "docs", "kubectl-debug.md").read_text()
    assert all(f"`{profile}`" in text for profile in ("general", "baseline", "restricted", "sysadmin"))
