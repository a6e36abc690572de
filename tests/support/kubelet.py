"""What the kubelet makes of a pod, for the tests of manifests: a container's environment, and the options that podman has for the rest.

Written from the API's documentation and KEP-3721 (as of Kubernetes 1.35), and strict: what it does not know it refuses.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.support.envreaders import read_kubernetes

_UNITS = {"": Fraction(1), "m": Fraction(1, 1000), "k": Fraction(1000), "M": Fraction(10**6), "G": Fraction(10**9)}
_UNITS |= {"Ki": Fraction(1 << 10), "Mi": Fraction(1 << 20), "Gi": Fraction(1 << 30)}


class Refused(ValueError):
    """The pod is not as Kubernetes wants it: the container would not be made."""


def containers(pod: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The pod's containers by name, init containers first."""
    spec = pod["spec"]
    return {each["name"]: each for each in [*spec.get("initContainers", ()), *spec["containers"]]}


def parse_quantity(text: str) -> Fraction:
    """A resource quantity such as 2500m, 512Mi or 1.5."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|Ki|Mi|Gi)?", str(text))
    if found is None:
        raise Refused(f"{text!r} is no quantity")
    return Fraction(found[1]) * _UNITS[found[2] or ""]


def container_environment(pod: Mapping[str, Any], name: str, volumes: Mapping[str, Path]) -> dict[str, str]:
    """The environment that the manifest gives a container; ``volumes`` are the folders behind the pod's volumes."""
    container = containers(pod)[name]
    return {variable: text for variable, text in _variables(pod, container, volumes) if text is not None}


def _variables(pod: Mapping[str, Any], container: Mapping[str, Any], volumes: Mapping[str, Path]) -> Iterator[tuple[str, str | None]]:
    for variable in container.get("env", ()):
        if "valueFrom" not in variable:
            value = variable["value"]
            if "$(" in value:
                raise Refused(f"{value!r}: references to other variables are not known here")
            yield variable["name"], value
            continue
        ((source, reference),) = variable["valueFrom"].items()
        if source == "resourceFieldRef":
            yield variable["name"], _resource(pod, container, reference)
        elif source == "fileKeyRef":
            yield variable["name"], _file_key(pod, container, reference, volumes)
        else:
            raise Refused(f"{source} is not known here")


def _resource(pod: Mapping[str, Any], container: Mapping[str, Any], reference: Mapping[str, str]) -> str:
    """ceil(quantity / divisor), of the container that is named, else of the one that asks."""
    named = containers(pod)[reference.get("containerName", container["name"])]
    kind, _, resource = reference["resource"].partition(".")
    try:
        quantity = parse_quantity(named["resources"][kind][resource])
    except KeyError as error:
        raise Refused(f"{named['name']} has no {reference['resource']}: Kubernetes would fill in the node's allocatable") from error
    return str(math.ceil(quantity / parse_quantity(reference.get("divisor", "1"))))


def _file_key(
    pod: Mapping[str, Any], container: Mapping[str, Any], reference: Mapping[str, Any], volumes: Mapping[str, Path]
) -> str | None:
    """The value of one key; None where it is not there and need not be."""
    volume = reference["volumeName"]
    if volume not in {each["name"] for each in pod["spec"]["volumes"] if "emptyDir" in each}:
        raise Refused(f"{volume} is no emptyDir of the pod")
    if volume in {mount["name"] for mount in container.get("volumeMounts", ())}:
        raise Refused(f"{container['name']} takes keys from {volume} and mounts it")
    path = reference["path"]
    if path.startswith("/") or ".." in path.split("/"):
        raise Refused(f"{path} leads out of the volume")
    file = volumes[volume] / path
    keys = read_kubernetes(file.read_text()) if file.is_file() else {}
    if reference["key"] not in keys and not reference.get("optional", False):
        raise Refused(f"{path} has no {reference['key']}")
    return keys.get(reference["key"])


def podman_options(pod: Mapping[str, Any], name: str, volumes: Mapping[str, Path]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What podman's run needs to start the container as the manifest says: options, and the image with its arguments."""
    container = containers(pod)[name]
    security = pod["spec"].get("securityContext", {}) | container.get("securityContext", {})
    limits = container["resources"]["limits"]
    options = ["--cpus", str(float(parse_quantity(limits["cpu"]))), "--memory", str(int(parse_quantity(limits["memory"])))]
    options += ["--user", f"{security['runAsUser']}:{security['runAsGroup']}"]
    options += ["--read-only", "--read-only-tmpfs=false"] if security["readOnlyRootFilesystem"] else []
    options += [word for capability in security["capabilities"]["drop"] for word in ("--cap-drop", capability)]
    options += [] if security["allowPrivilegeEscalation"] else ["--security-opt", "no-new-privileges"]
    for mount in container.get("volumeMounts", ()):
        access = ":ro" if mount.get("readOnly", False) else ""
        options += ["--volume", f"{volumes[mount['name']]}:{mount['mountPath']}{access}"]
    for variable, value in container_environment(pod, name, volumes).items():
        options += ["--env", f"{variable}={value}"]
    if "command" in container:
        options += ["--entrypoint", json.dumps(container["command"])]
    return tuple(options), (container["image"], *container.get("args", ()))
