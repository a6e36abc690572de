"""deploy/examples/server.service, started by a real systemd with 8 CPUs: what it writes for itself is what its program takes.

systemd is pid 1 of a pid namespace and of a cgroup namespace, as in a container of its own, so that the bench's other groups are not its to
manage. It finds no units but the example and the few that every unit depends on.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live.cgroups import Group, Groups
from tests.support import goprograms
from tests.support.command import ROOT
from tests.support.needs import require

pytestmark = [pytest.mark.kernel, pytest.mark.hierarchy("v2")]

_SYSTEMD = Path("/lib/systemd/systemd")
_UNIT = ROOT / "deploy" / "examples" / "server.service"

# ProtectHome= hides folders in which a checkout and its Python may lie, so both are seen elsewhere too.
_CGTUNE = f"""\
#!{{python}} -I
import sys

sys.path[:0] = ["/opt/cgtune-checkout", "/opt/cgtune-checkout/.venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"]
from cgtune.__main__ import main

sys.exit(main())
"""
# The first process of the pid namespace enters the group, alone: a group with processes outside of systemd's sight has no limits below it.
_BOOT = """\
set -e
if [ "$#" -eq 4 ]; then
  echo 0 >"$4/cgroup.procs"
  exec unshare --cgroup --mount /bin/sh -c "$0" "$0" "$1" "$2" "$3"
fi
mount --make-rprivate /
mount -t proc proc /proc
umount /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind "$1" /opt/cgtune-checkout
mount --bind "$2" /opt/cgtune-python
export container=podman SYSTEMD_UNIT_PATH="$3" SYSTEMD_GENERATOR_PATH=/nonexistent SYSTEMD_LOG_TARGET=kmsg
exec /lib/systemd/systemd --system --unit=server.service --show-status=no
"""


def _install(folder: Path, program: Path) -> None:
    """What an administrator would put into place, and the units; the bench forgets it all."""
    for name in ("cgtune-checkout", "cgtune-python"):
        Path("/opt", name).mkdir(parents=True, exist_ok=True)
    command = Path("/usr/local/bin/cgtune")
    command.write_text(_CGTUNE.format(python=f"/opt/cgtune-python/bin/python{sys.version_info[0]}.{sys.version_info[1]}"))
    command.chmod(0o755)
    shutil.copy(program, "/usr/local/bin/server")
    folder.mkdir()
    shutil.copy(_UNIT, folder)
    for name in ("sysinit", "basic", "shutdown"):
        (folder / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    (folder / "server.service.d").mkdir()
    told = "".join(f"Standard{stream}=append:{folder}/{stream.lower()}\n" for stream in ("Output", "Error"))
    (folder / "server.service.d" / "told.conf").write_text(f"[Service]\n{told}")


@contextmanager
def _booted(group: Group, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """systemd, with this group as its whole tree."""
    (place,) = group.directories()
    argv = (
        "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "/bin/sh",
        "-c",
        _BOOT,
        _BOOT,
        str(ROOT),
        sys.base_prefix,
        str(folder),
        str(place),
    )
    systemd = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        yield systemd
    finally:
        systemd.kill()
        systemd.wait()
        for below in sorted(place.glob("*/**/"), reverse=True):
            _remove_when_empty(below)
        for left in ("/run/server", "/run/private/server"):
            shutil.rmtree(left, ignore_errors=True)


def _remove_when_empty(place: Path) -> None:
    deadline = time.monotonic() + 240
    while place.exists():
        try:
            place.rmdir()
        except OSError:
            assert time.monotonic() < deadline, f"{place} does not get empty"
            time.sleep(0.05)


def _first_line(file: Path, systemd: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 240
    while not (file.exists() and "\n" in file.read_text()):
        errors = file.with_name("error")
        assert time.monotonic() < deadline, errors.read_text() if errors.exists() else "systemd started nothing"
        assert systemd.poll() is None, "systemd ended"
        time.sleep(0.2)
    return file.read_text().splitlines()[0]


@pytest.mark.parametrize(("version", "language"), [("1.24.11", "1.21"), ("1.27.3", "1.27")])
def test_the_unit_under_a_real_systemd(groups: Groups, version: str, language: str) -> None:
    """CPUQuota=250%, MemoryMax=512M, 8 CPUs: Go 1.24 takes GOMAXPROCS=3 from the file, Go 1.27 comes to it without; both take the limit."""
    require(_SYSTEMD.exists(), "apt-get install --no-install-recommends systemd")
    folder = Path(f"/run/cgtune-test-units-{os.getpid()}-{version}")
    _install(folder, goprograms.build(version, language=language))
    with _booted(groups.make("machine"), folder) as systemd:
        report: dict[str, Any] = json.loads(_first_line(folder / "output", systemd))
        written = Path("/run/server/go.env").read_text()
    values = dict(line.split("=", 1) for line in written.splitlines() if not line.startswith("#"))
    assert report["memory_limit"] == int(values.pop("GOMEMLIMIT").removesuffix("MiB")) << 20
    assert 0.85 < report["memory_limit"] / (512 << 20) < 0.97
    assert values == ({"GOMAXPROCS": "3"} if version == "1.24.11" else {})
    assert (report["version"], report["gomaxprocs"], report["num_cpu"]) == (f"go{version}", 3, 8)
