"""``scripts/admission``: the policies of ``cgtune policy`` before Kubernetes' own admission plugin, by hand.

No API server can be had from a registry, but its plugin for MutatingAdmissionPolicy can: Debian's unstable release has it as source, with
all below it. Fetched once (some 60 MB), built in minutes, and kept in the cache. Each pod of the tests is put before the plugin and before
the evaluator of tests/support/admitting.py; both have to come to the same. Not shown here: the validation of the objects themselves.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.admitting import admit, stored
from tests.support.kubernetes import definitions
from tests.support.policypods import container, manifest_pods, objects, pod
from tests.support.toolchains import cache, fetch

_PACKAGES = ("golang-k8s-apiserver-dev", "golang-k8s-api-dev", "golang-k8s-client-go-dev")
_KUBERNETES = "1.36"
_GO = "1.27.3"


def build() -> Path:
    """The program of main.go, built from what Debian's unstable release has today, once."""
    place = cache() / "admission"
    program = place / "admission"
    source = Path(__file__).with_name("main.go")
    if program.is_file() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    if not (place / "gopath").is_dir():
        _fetch(place)
    folder = place / "gopath" / "src" / "admission"
    folder.mkdir(exist_ok=True)
    (folder / "main.go").write_bytes(source.read_bytes())
    goroot = fetch(_GO)
    environ = {
        **os.environ,
        "GOROOT": str(goroot),
        "GOPATH": str(place / "gopath"),
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    subprocess.run([goroot / "bin" / "go", "build", "-o", program, "."], cwd=folder, env=environ, check=True)
    return program


def _fetch(place: Path) -> None:
    """Debian's packages of Go sources that these need, unpacked; by an apt of its own, which leaves the machine's alone."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(SIGNED_BY)"], capture_output=True, text=True, check=True)
    site = next(line.split(" ")[0] for line in done.stdout.splitlines() if line.split(" ")[0].rstrip("/").endswith("/debian"))
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        for folder in ("lists/partial", "cache/archives/partial", "gopath", "got"):
            Path(scratch, folder).mkdir(parents=True)
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        Path(scratch, "sources").write_text(f"deb [signed-by={keys}] {site} unstable main\n")
        Path(scratch, "status").write_text("")
        settings = {
            "Dir::Etc::sourcelist": f"{scratch}/sources",
            "Dir::Etc::sourceparts": "/nonexistent",
            "Dir::State::lists": f"{scratch}/lists",
            "Dir::State::status": f"{scratch}/status",
            "Dir::Cache": f"{scratch}/cache",
            "Debug::NoLocking": "1",
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", "-qq", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]
        subprocess.run([*apt, "update"], check=True)
        planned = subprocess.run([*apt, "-s", "--no-install-recommends", "install", *_PACKAGES], capture_output=True, text=True, check=True)
        named = re.findall(r"^Inst (golang-\S+-dev) ", planned.stdout, re.MULTILINE)
        subprocess.run([*apt, "download", *named], cwd=f"{scratch}/got", check=True, stdout=subprocess.DEVNULL)
        for package in sorted(Path(scratch, "got").glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, f"{scratch}/gopath"], check=True)
        Path(scratch, "gopath/usr/share/gocode").rename(place / "gopath")


def write_schema(folder: Path) -> None:
    """The schema of this Kubernetes as its API serves it, made of the definitions that the tests validate by."""
    text = re.sub(r'"\$ref": *"[^"]*?/(io\.k8s\.[^"/]+)"', r'"$ref": "#/components/schemas/\1"', json.dumps(definitions(_KUBERNETES)))
    schema = {"openapi": "3.0.0", "info": {"title": "", "version": ""}, "paths": {}, "components": {"schemas": _plain(json.loads(text))}}
    (folder / "api__v1_openapi.json").write_text(json.dumps(schema))


def _plain(node: Any) -> Any:
    """Without null as a type, and with text where there are two: a quantity, a port."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _plain(value) for key, value in node.items()}
    if isinstance(plain.get("type"), list):
        plain["type"] = next(kind for kind in plain["type"] if kind != "null")
    if isinstance(plain.get("oneOf"), list):
        del plain["oneOf"]
        plain["type"] = "string"
    return plain


def admit_for_real(program: Path, documents: Sequence[dict[str, Any]], pods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the plugin answers for each pod; an expression that fails is an error here, not passed over."""
    policy, binding = documents
    strict = {**policy, "spec": {**policy["spec"], "failurePolicy": "Fail"}}
    name = "shop"
    lines: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, strict, binding]
    lines += [{**each, "metadata": {**each["metadata"], "name": name, "namespace": name}} for each in pods]
    with tempfile.TemporaryDirectory() as folder:
        write_schema(Path(folder))
        text = "".join(f"{json.dumps(each)}\n" for each in lines)
        done = subprocess.run([program, folder], input=text, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _pods() -> list[dict[str, Any]]:
    """Pods of all kinds: limits as they are written, what is left alone, real manifests."""
    sizes = (
        "512Mi",
        "0.5Gi",
        "1Gi",
        "64Mi",
        "63Mi",
        "160Mi",
        "200M",
        "1e9",
        "128974848",
        "4Ti",
        "65Ti",
        "100m",
        "536870912.5",
        "100E",
        "8Ei",
        "0",
    )
    cores = ("2500m", "0.1", "1", "999m", "1001m", "64", "1m", "2.0", "1.5", "400", "12e-1", "0", "70k")
    pods = [pod(container(memory=size, cpu=core)) for size in sizes for core in cores]
    large = container(memory="512Mi", cpu="2")
    own = [{"name": "GOMEMLIMIT", "value": "460MiB"}, {"name": "X", "value": "1"}, {"name": "X", "value": "2"}]
    pods += [
        pod(large, labels={}),
        pod(large, os={"name": "windows"}),
        pod(large, nodeSelector={"kubernetes.io/os": "windows"}),
        pod(large, annotations={"kubernetes.io/config.mirror": "1"}),
        pod({**large, "env": own, "ports": [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]}),
        pod({**large, "env": own}, annotations={"cgtune.dev/policy": "app.GOMEMLIMIT=460MiB", "of": "others"}),
        pod(large, initContainers=[container("migrate", "1Gi"), container("proxy", "256Mi", "1", restartPolicy="Always")]),
    ]
    pods += [each for _, each in manifest_pods()]
    return pods


def _told(answer: dict[str, Any]) -> Any:
    """Of a pod what a policy may change: each container's env, and the annotations."""
    spec = answer["spec"]
    containers = {
        each["name"]: [(entry["name"], entry.get("value")) for entry in each.get("env", ())]
        for each in [*spec["containers"], *spec.get("initContainers", ())]
    }
    return containers, answer["metadata"].get("annotations", {})


def main() -> None:
    """Compare, and say of how many pods."""
    program, pods, count = build(), [stored(each) for each in _pods()], 0
    for options in ({}, {"gomaxprocs": True}):
        documents = objects(**options)
        for before, answer in zip(pods, admit_for_real(program, documents, pods), strict=True):
            if "error" in answer:
                sys.exit(f"{json.dumps(before)[:2000]}: {answer['error']}")
            expected, actual = _told(admit(documents, before)), _told(answer["pod"])
            if expected != actual:
                sys.exit(f"{json.dumps(before)[:2000]}: the plugin {actual}, the evaluator {expected}")
            count += 1
    environment = [{"name": f"V{number}", "value": "x" * 50} for number in range(200)]
    largest = pod(*(container(f"c{number}", "512Mi", "1", env=environment) for number in range(100)))
    (answer,) = admit_for_real(program, objects(gomaxprocs=True), [largest])
    if "error" in answer or len(answer["pod"]["metadata"]["annotations"]["cgtune.dev/policy"].split(",")) != 200:
        sys.exit(f"100 containers with 200 variables each are too dear: {answer.get('error')}")
    print(f"{count} pods: Kubernetes' admission plugin and the evaluator of the tests come to the same")


main()
