"""What the kubelet makes of a pod, for the tests of manifests: a container's environment, and the options that podman has for the rest.

Written from what Kubernetes 1.36.2 did with containerd 2.4, each line tried on a real cluster, and from the API's documentation. Strict:
what it does not know it refuses.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.support.envreaders import read_kubernetes_key

_UNITS = {unit: Fraction(1000) ** power for power, unit in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), start=-3)}
_UNITS |= {f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}

# What resourceFieldRef takes as a divisor; "0" is what stands there if none is given, and counts as 1
_DIVISORS = {"cpu": ("0", "1", "1m"), "memory": ("0", "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")}


class Refused(ValueError):
    """The pod is not as Kubernetes wants it: the container would not be made."""


def containers(pod: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The pod's containers by name, init containers first."""
    spec = pod["spec"]
    return {each["name"]: each for each in [*spec.get("initContainers", ()), *spec["containers"]]}


def parse_quantity(text: str) -> Fraction:
    """A resource quantity such as 2500m, 512Mi or 1.5e9, rounded up to the next thousandth as the API server stores it."""
    found = re.fullmatch(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]+))?", str(text).strip(" "))
    if found is None:
        raise Refused(f"{text!r} is no quantity")
    number = Fraction(found[1]) * (Fraction(10) ** int(found[3]) if found[3] else _UNITS[found[2] or ""])
    return Fraction(math.ceil(number * 1000), 1000)


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
    """ceil(quantity / divisor), of the container that is named, else of the one that asks.

    A limit that is not set, or 0, is the pod's, else the node's allocatable, of which a test must not make use; but an init container that
    is named and has no limit gives 0, as does a request that is not set.
    """
    by_name = containers(pod)
    name = reference["containerName"] if "containerName" in reference else container["name"]
    if name not in by_name:
        raise Refused(f"container {name} not found")
    named = by_name[name]
    kind, _, resource = reference["resource"].partition(".")
    divisor = str(reference.get("divisor", "0"))
    if divisor not in _DIVISORS[resource]:
        raise Refused(f"{divisor!r} is no divisor for {resource}")
    quantity = parse_quantity(named.get("resources", {}).get(kind, {}).get(resource, "0"))
    if not quantity and kind == "limits" and not ("containerName" in reference and named in pod["spec"].get("initContainers", ())):
        quantity = parse_quantity(pod["spec"].get("resources", {}).get(kind, {}).get(resource, "0"))
        if not quantity:
            raise Refused(f"{named['name']} has no {reference['resource']}: Kubernetes would fill in the node's allocatable")
    number = math.ceil(quantity / (parse_quantity(divisor) or 1))
    return str(number if number < 1 << 63 else 0)


def downward_files(pod: Mapping[str, Any], volume: str) -> dict[str, str]:
    """The files of a downward API volume of the pod, as its limits are now."""
    (items,) = (each["downwardAPI"]["items"] for each in pod["spec"]["volumes"] if each["name"] == volume)
    if any("containerName" not in item["resourceFieldRef"] for item in items):
        raise Refused(f"{volume}: a volume belongs to no container, so containerName has to be there")
    return {item["path"]: _resource(pod, {}, item["resourceFieldRef"]) for item in items}


def _file_key(
    pod: Mapping[str, Any], container: Mapping[str, Any], reference: Mapping[str, Any], volumes: Mapping[str, Path]
) -> str | None:
    """The value of one key; None if it is not there and need not be. ``optional`` does not help if the file is missing or damaged."""
    volume = reference["volumeName"]
    if volume not in {each["name"] for each in pod["spec"]["volumes"] if "emptyDir" in each}:
        raise Refused(f"{volume} is no emptyDir of the pod")
    path = reference["path"]
    if ".." in path.split("/"):
        raise Refused(f"{path} leads out of the volume")
    if not re.fullmatch(r"[ -<>-~]+", reference["key"]):
        raise Refused(f"{reference['key']!r} is no key")
    file = volumes[volume] / path.lstrip("/")
    try:
        value = read_kubernetes_key(file.read_bytes().decode("utf-8", "replace"), reference["key"])
    except (OSError, ValueError) as error:
        raise Refused(f"couldn't parse env file {path}: {error}") from error
    if value is None and not reference.get("optional", False):
        raise Refused(f"environment variable key {reference['key']!r} not found in file {path}")
    return value


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
