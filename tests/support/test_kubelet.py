"""The stand-in for the kubelet that the tests of manifests use, with its reader of env files: they refuse what the original refuses."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.support import kubelet
from tests.support.envreaders import read_kubernetes, read_kubernetes_key
from tests.support.kubelet import Refused, container_environment, parse_quantity


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", {}),
        ("A='1'", {"A": "1"}),
        ("# why\n\n  A='1' # so\n\tB=''\n", {"A": "1"}),
        ("A= \nB= '1'\nC= # nothing\n", {}),
        ("A='1'\r\nB='2'#c\r\n", {"A": "1", "B": "2"}),
        ("export A='1'\n", {"export A": "1"}),
        ("\ufeffA='1'\n", {"\ufeffA": "1"}),
        ("A.b c='$(B)$HOME é'\n", {"A.b c": "$(B)$HOME é"}),
        (f"A='{'1' * 65531}'\n" + "B='2'\n" * 9000, {"A": "1" * 65531, "B": "2"}),
        ("A='1\n# 2'\nB='=\"$x\\'\n", {"A": "1\n# 2", "B": '="$x\\'}),
        ("A='1'\nA='2'\n", {"A": "1"}),
        (f"{'K' * 200}='1'\n", {"K" * 200: "1"}),
    ],
)
def test_env_files_that_the_kubelet_reads(text: str, keys: dict[str, str]) -> None:
    """Single quotes, comments, empty values, newlines between the quotes; the first of two counts."""
    assert read_kubernetes(text) == keys


@pytest.mark.parametrize(
    "text",
    [
        *("A=1\n", 'A="1"\n', "A ='1'\n", "A='1\n", "A='1' x\n", "A='1''2'\n", "='1'\n", "A\n", "A='it'\\''s'\n"),
        *("A=\n", "A=", f"A='{'1' * 65533}'\n"),
    ],
)
def test_env_files_that_the_kubelet_refuses(text: str) -> None:
    """Bare values, double quotes, blanks before the equals sign, an open quote, more after a closing one, a line of 64 KiB."""
    with pytest.raises(ValueError, match=r"NAME=|quotes|64 KiB"):
        read_kubernetes(text)
    with pytest.raises(ValueError, match=r"NAME=|quotes|64 KiB"):
        read_kubernetes_key(text + "\nZ='1'\n", "Z")
    assert read_kubernetes_key("Z='1'\n" + text, "Z") == "1"  # what stands behind the key is not looked at


_POD: dict[str, Any] = {
    "spec": {
        "initContainers": [{"name": "first", "resources": {"limits": {"cpu": "100m"}}}],
        "containers": [
            {"name": "app", "resources": {"limits": {"cpu": "2500m", "memory": "512Mi"}}},
            {"name": "huge", "resources": {"limits": {"memory": "100E"}}},
            {"name": "tiny", "resources": {"limits": {"cpu": "0.1m"}}},
            {"name": "free"},
        ],
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "host", "hostPath": {"path": "/"}}],
    }
}


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"containerName": "app", "resource": "limits.cpu", "divisor": "1m"}, "2500"),
        ({"containerName": "app", "resource": "limits.cpu"}, "3"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "100"),
        ({"containerName": "app", "resource": "limits.memory"}, "536870912"),
        ({"containerName": "app", "resource": "limits.memory", "divisor": "1Gi"}, "1"),
        ({"containerName": "app", "resource": "limits.memory", "divisor": "1M"}, "537"),
        ({"containerName": "app", "resource": "requests.cpu"}, "0"),  # not set
        ({"containerName": "first", "resource": "limits.memory"}, "0"),  # not set, and an init container that is named
        ({"containerName": "huge", "resource": "limits.memory"}, "0"),
        ({"containerName": "tiny", "resource": "limits.cpu"}, "1"),
    ],
)
def test_resources_are_divided_and_rounded_up(reference: dict[str, str], value: str) -> None:
    """ceil(quantity / divisor) of the named container, else of the one that asks; the divisor is 1 where none is given."""
    pod = copy.deepcopy(_POD)
    pod["spec"]["initContainers"][0]["env"] = [{"name": "X", "valueFrom": {"resourceFieldRef": reference}}]
    assert container_environment(pod, "first", {}) == {"X": value}


def test_a_limit_that_is_not_set_is_refused() -> None:
    """Kubernetes would hand out the node's allocatable; a test must not pass on that."""
    pod = copy.deepcopy(_POD)
    for name in ("free", "first"):  # an init container that asks for itself, without its name
        reference = {"resource": "limits.memory"} | ({"containerName": name} if name == "free" else {})
        kubelet.containers(pod)["first"]["env"] = [{"name": "X", "valueFrom": {"resourceFieldRef": reference}}]
        with pytest.raises(Refused, match="allocatable"):
            container_environment(pod, "first", {})


def test_the_pods_own_limit_stands_in() -> None:
    """With pod-level resources a container without a limit gets the pod's; a request does not fall back."""
    pod = copy.deepcopy(_POD)
    pod["spec"]["resources"] = {"limits": {"memory": "256Mi"}, "requests": {"memory": "64Mi"}}
    kubelet.containers(pod)["free"]["env"] = [
        {"name": name, "valueFrom": {"resourceFieldRef": {"resource": f"{name}.memory"}}} for name in ("limits", "requests")
    ]
    assert container_environment(pod, "free", {}) == {"limits": "268435456", "requests": "0"}


@pytest.mark.parametrize("reference", [{"resource": "limits.memory", "divisor": "1024"}, {"resource": "limits.cpu", "divisor": "2"}])
def test_divisors_that_the_api_refuses(reference: dict[str, str]) -> None:
    """Powers of a unit only; and a container that does not exist is found out when the container is made."""
    pod = copy.deepcopy(_POD)
    kubelet.containers(pod)["app"]["env"] = [{"name": "X", "valueFrom": {"resourceFieldRef": reference}}]
    with pytest.raises(Refused, match="is no divisor"):
        container_environment(pod, "app", {})
    reference["containerName"] = "nope"
    with pytest.raises(Refused, match="container nope not found"):
        container_environment(pod, "app", {})


_KEY = {"volumeName": "v", "path": "f.env", "key": "A"}


@pytest.mark.parametrize(
    ("change", "mounts", "outcome"),
    [
        ({}, [], {"X": "1"}),
        ({"path": "/f.env"}, [], {"X": "1"}),
        ({"key": "B"}, [], "'B' not found"),
        ({"key": "B", "optional": True}, [], {}),
        ({"key": "=", "optional": True}, [], "is no key"),
        ({"path": "none.env"}, [], "couldn't parse"),
        ({"path": "none.env", "optional": True}, [], "couldn't parse"),
        ({"path": "bad.env", "optional": True}, [], "couldn't parse"),
        ({"path": "../f.env"}, [], "out of the volume"),
        ({"volumeName": "host"}, [], "no emptyDir"),
        ({}, [{"name": "v", "mountPath": "/env"}], {"X": "1"}),
    ],
)
def test_keys_from_a_file(tmp_path: Path, change: dict[str, Any], mounts: list[dict[str, str]], outcome: dict[str, str] | str) -> None:
    """Keys come from a file of an emptyDir; ``optional`` helps a missing key, and neither a missing nor a damaged file."""
    (tmp_path / "f.env").write_text("A='1'\n")
    (tmp_path / "bad.env").write_text("B=1\nA='1'\n")
    pod = copy.deepcopy(_POD)
    pod["spec"]["containers"][0] |= {"env": [{"name": "X", "valueFrom": {"fileKeyRef": _KEY | change}}], "volumeMounts": mounts}
    volumes = {"v": tmp_path, "host": tmp_path}
    if isinstance(outcome, dict):
        assert container_environment(pod, "app", volumes) == outcome
    else:
        with pytest.raises(Refused, match=outcome):
            container_environment(pod, "app", volumes)


@pytest.mark.parametrize("text", ["", "512mi", "1e", "1e3m", "1Ki1", "0x10", "1 Gi", "1_000m", "512MiB", "1.5.2", "m"])
def test_what_is_no_quantity(text: str) -> None:
    """Quantities are held to the grammar, as the API server does."""
    with pytest.raises(Refused):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("reference", "outcome"),
    [
        ({"containerName": "app", "resource": "limits.cpu", "divisor": "1m"}, {"x": "2500"}),
        ({"containerName": "app", "resource": "limits.memory"}, {"x": "536870912"}),
        ({"containerName": "none", "resource": "limits.cpu"}, "container none not found"),
        ({"resource": "limits.cpu"}, "containerName has to be there"),
    ],
)
def test_files_of_a_downward_api_volume(reference: dict[str, str], outcome: dict[str, str] | str) -> None:
    """The same numbers as in variables; a volume is no container's, so each reference names one."""
    pod = copy.deepcopy(_POD)
    pod["spec"]["volumes"].append({"name": "limits", "downwardAPI": {"items": [{"path": "x", "resourceFieldRef": reference}]}})
    if isinstance(outcome, dict):
        assert kubelet.downward_files(pod, "limits") == outcome
    else:
        with pytest.raises(Refused, match=outcome):
            kubelet.downward_files(pod, "limits")
