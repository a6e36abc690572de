"""The stand-in for the kubelet that the tests of manifests use, with its reader of env files: they refuse what the original refuses."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.support.envreaders import read_kubernetes
from tests.support.kubelet import Refused, container_environment, parse_quantity


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", {}),
        ("A='1'", {"A": "1"}),
        ("# why\n\n  A='1' # so\n\tB=''\n", {"A": "1", "B": ""}),
        ("A= \nB= '1'\nC= # nothing\n", {"A": "", "B": "", "C": ""}),
        ("A='1\n# 2'\nB='=\"$x\\'\n", {"A": "1\n# 2", "B": '="$x\\'}),
        ("A='1'\nA='2'\n", {"A": "1"}),
        (f"{'K' * 128}='1'\n", {"K" * 128: "1"}),
    ],
)
def test_env_files_that_the_kubelet_reads(text: str, keys: dict[str, str]) -> None:
    """Single quotes, comments, empty values, newlines between the quotes; the first of two counts."""
    assert read_kubernetes(text) == keys


@pytest.mark.parametrize(
    "text",
    [
        *("A=1\n", 'A="1"\n', "export A='1'\n", "A ='1'\n", "A='1\n", "A='1' x\n", "A='1''2'\n", "='1'\n", "A\n", "A='it'\\''s'\n"),
        *("A=\n", "A=", f"{'K' * 129}='1'\n", f"A='{'1' * 65536}'\n"),
    ],
)
def test_env_files_that_the_kubelet_refuses(text: str) -> None:
    """Bare values, double quotes, export, blanks before the equals sign, an open quote, more after a closing one, too long ones."""
    with pytest.raises(ValueError, match=r"NAME=|quotes|64 KiB"):
        read_kubernetes(text)


_POD: dict[str, Any] = {
    "spec": {
        "initContainers": [{"name": "first", "resources": {"limits": {"cpu": "100m"}}}],
        "containers": [{"name": "app", "resources": {"limits": {"cpu": "2500m", "memory": "512Mi"}}}],
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
    pod["spec"]["containers"][0]["env"] = [
        {"name": "X", "valueFrom": {"resourceFieldRef": {"containerName": "first", "resource": "limits.memory"}}}
    ]
    with pytest.raises(Refused, match="allocatable"):
        container_environment(pod, "app", {})


_KEY = {"volumeName": "v", "path": "f.env", "key": "A"}


@pytest.mark.parametrize(
    ("change", "mounts", "outcome"),
    [
        ({}, [], {"X": "1"}),
        ({"key": "B"}, [], "has no B"),
        ({"key": "B", "optional": True}, [], {}),
        ({"path": "none.env"}, [], "has no A"),
        ({"path": "none.env", "optional": True}, [], {}),
        ({"path": "../f.env"}, [], "out of the volume"),
        ({"volumeName": "host"}, [], "no emptyDir"),
        ({}, [{"name": "v", "mountPath": "/env"}], "mounts it"),
    ],
)
def test_keys_from_a_file(tmp_path: Path, change: dict[str, Any], mounts: list[dict[str, str]], outcome: dict[str, str] | str) -> None:
    """Keys come from a file of an emptyDir that the container does not mount; missing ones may be missing only where they are optional."""
    (tmp_path / "f.env").write_text("A='1'\n")
    pod = copy.deepcopy(_POD)
    pod["spec"]["containers"][0] |= {"env": [{"name": "X", "valueFrom": {"fileKeyRef": _KEY | change}}], "volumeMounts": mounts}
    volumes = {"v": tmp_path, "host": tmp_path}
    if isinstance(outcome, dict):
        assert container_environment(pod, "app", volumes) == outcome
    else:
        with pytest.raises(Refused, match=outcome):
            container_environment(pod, "app", volumes)


@pytest.mark.parametrize("text", ["", "512mi", "-1", "1e3", "1.5.2", "m"])
def test_what_is_no_quantity(text: str) -> None:
    """Quantities are held to the grammar, as the API server does."""
    with pytest.raises(Refused):
        parse_quantity(text)
