"""cgtune's image for the tests, built by podman from deploy/Dockerfile over a Debian that is made here: no registry is asked.

The base (mmdebstrap, Debian 12's own packages and its python3) and the wheels that the locks of deploy/ name are made once and kept in
the cache; podman keeps the layers. The image's name is ``localhost/cgtune-test``, its tag says of which checkout.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from jsonschema import Draft7Validator
from referencing import Registry

from tests.deploy.manifests import Object, cgtune_of
from tests.live.containers import podman
from tests.support.command import ROOT
from tests.support.needs import require
from tests.support.toolchains import cache

SMALL = ("--cpus", "0.2", "--memory", "64m")
_NAME = f"localhost/cgtune-test:{hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]}"
_BASE = "localhost/cgtune-test-base:bookworm"
_LOCKS = (ROOT / "deploy" / "requirements.lock", ROOT / "deploy" / "sbom.lock")


def build_image() -> tuple[str, ...]:
    """The image of this checkout, as words of ``podman run``."""
    flags = (
        *("--format", "docker"),  # the one with a health check
        *("--network", "host"),  # for apt in the build stage
        *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--layers"),
        *("--volume", f"{_wheels()}:/wheels:ro", "--build-arg", "PIP_FIND_LINKS=/wheels", "--build-arg", "PIP_NO_INDEX=1"),
        *("--build-arg", f"BASE={_base()}", "--build-arg", "REVISION=test"),
    )
    done = podman("build", *flags, "--file", str(ROOT / "deploy" / "Dockerfile"), "--tag", _NAME, str(ROOT), seconds=300)
    assert done.returncode == 0, f"podman build: {done.stderr[-3000:]}"
    return (_NAME,)


def flags_of(spec: Object, *, user: str | None = None, interval: str = "1s") -> tuple[str, ...]:
    """The pod's cgtune as words of ``podman run``: its variables and its rights; as another user where one is named."""
    one = cgtune_of(spec)
    rights = one["securityContext"]
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}  # podman's default too
    shared = spec.get("securityContext", {}) | rights
    words = ["--user", user or f"{shared.get('runAsUser', 65532)}:{shared.get('runAsGroup', 65532)}"]  # the image's own where none is named
    words += ["--read-only", "--read-only-tmpfs=false"] if rights["readOnlyRootFilesystem"] else []
    words += [] if rights["allowPrivilegeEscalation"] else ["--security-opt", "no-new-privileges"]
    words += [word for name in rights["capabilities"]["drop"] for word in ("--cap-drop", name)]
    words += [word for name in rights["capabilities"].get("add", []) for word in ("--cap-add", name)]
    words += [word for each in one["env"] for word in ("--env", f"{each['name']}={each['value']}")]
    return (*words, "--env", f"CGTUNE_INTERVAL={interval}")


def mounts_of(spec: Object) -> tuple[str, ...]:
    """The host's folders that the pod's cgtune sees, as words of ``podman run``."""
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in spec["volumes"]}
    mounts = cgtune_of(spec)["volumeMounts"]
    assert all(each["readOnly"] for each in mounts)
    return tuple(word for each in mounts for word in ("--volume", f"{paths[each['name']]}:{each['mountPath']}:ro"))


def cyclonedx_validator(version: str) -> Draft7Validator:
    """What holds a document against CycloneDX's own schema of this version, as the tool of deploy/sbom.lock brings it along."""
    (wheel,) = _wheels().glob("cyclonedx_python_lib-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        whole, *parts = (
            # They call each other by the names of their files there
            json.loads(archive.read(f"cyclonedx/schema/_res/{name}.SNAPSHOT.schema.json").replace(b".SNAPSHOT.", b"."))
            for name in (f"bom-{version}", "spdx", "jsf-0.82")
        )
    return Draft7Validator(whole, registry=Registry().with_contents((part["$id"], part) for part in parts))


def _base() -> str:
    """A Debian 12 with python3 and nothing else that is not essential, in podman's storage."""
    if podman("image", "exists", _BASE).returncode:
        require(shutil.which("mmdebstrap"), "apt-get install --no-install-recommends mmdebstrap")
        archive = cache() / "images" / "debian-bookworm-python3.tar"
        if not archive.is_file():
            archive.parent.mkdir(parents=True, exist_ok=True)
            # In memory where there is enough: dpkg waits for the disk after each package.
            scratch = "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 1 << 30 else None
            with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
                made = Path(folder, archive.name)
                left_out = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "locale", "man")]
                command = ["mmdebstrap", "--mode=root", "--variant=apt", "--include=python3", *left_out, "bookworm", str(made)]
                environ = os.environ | ({"TMPDIR": scratch} if scratch else {})
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500, env=environ, check=False
                )
                assert done.returncode == 0, done.stderr[-3000:]
                os.replace(made, archive)
        imported = podman("import", str(archive), _BASE, seconds=120)
        assert imported.returncode == 0, imported.stderr
    return _BASE


def _wheels() -> Path:
    """A folder with the wheels that the locks name, each of them checked by pip."""
    place = cache() / "images" / f"wheels-{hashlib.sha256(b''.join(lock.read_bytes() for lock in _LOCKS)).hexdigest()[:16]}"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            # The locks have no others than wheels for this very Python line: that of Debian 12, 3.11.
            flags = ["--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version", "3.11"]
            for lock in _LOCKS:
                command = [sys.executable, "-m", "pip", "download", *flags, "--dest", f"{folder}/wheels", "--requirement", str(lock)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
                require(done.returncode == 0, f"pip could not fetch the wheels of {lock.name}: {done.stderr.strip().splitlines()[-1:]}")
            os.replace(f"{folder}/wheels", place)
    return place
