"""The scenes of ``everyfault``: each command, with what lies around it."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support import faults
from tests.support.command import ROOT
from tests.support.everyfault import Scene

_STORY = ROOT / "fixtures" / "cgroupfs" / "k8s-burstable-systemd"
_MANIFEST = ROOT / "fixtures" / "manifests" / "001-edge-router-ninety-percent.yaml"
_NAMED = ("--cpu-limit", "2.5", "--memory-limit", "512Mi")
_OLD = b"# what stood there\nGOMAXPROCS=99\n"


def _is_recording(place: Path, path: str) -> bool:
    """Whether OUT can be replayed; it may keep a refusal in place of what was read."""
    from cgtune.system.host import Host

    out = path.split("/")[0]
    with Host(str(place / out)) as host:
        return host.recorded_pids == (4242,)


@contextlib.contextmanager
def scenes(*, quick: bool) -> Iterator[list[Scene]]:
    """All, or those that need neither a Go program nor an engine."""
    story = ("--root", str(_STORY), "--pid", "4242")
    found = [Scene(f"inspect {format_}", ("inspect", *story, "--format", format_)) for format_ in ("json", "table", "brief")]
    found.append(Scene("ps", ("ps", "--root", str(_STORY))))
    found += [Scene(f"check {format_}", ("check", *story, "--format", format_)) for format_ in ("text", "json", "sarif", "junit", "github", "nagios")]
    found.append(Scene("explain", ("explain", "cpu-throttled")))
    found += [Scene(f"env {dialect}", ("env", *_NAMED, "--dialect", dialect)) for dialect in ("sh", "env", "systemd")]
    found.append(Scene("env output new", ("env", *_NAMED, "--output", "app.env")))
    for name, flags in (("", 0), (" without O_TMPFILE", faults.NAMED)):
        found.append(Scene(f"env output{name}", ("env", *_NAMED, "--output", "app.env"), {"app.env": _OLD}, flags=flags))
    limits = {"limits/cpu-limit": b"2500m\n", "limits/memory-limit": b"512Mi\n"}
    found.append(Scene("env limits", ("env", "--limits", "limits", "--output", "app.env"), limits))
    found.append(Scene("env pid", ("env", *story)))
    found.append(Scene("snapshot folder", ("snapshot", "out", *story), is_whole=_is_recording))
    for name, flags in (("", 0), (" without O_TMPFILE", faults.NAMED)):
        found.append(Scene(f"snapshot packed{name}", ("snapshot", "out.tar.gz", *story), is_whole=_is_recording, flags=flags))
    found.append(Scene("predict", ("predict", *_NAMED, "--cpus", "64")))
    manifests = {"deploy/a.yaml": _MANIFEST.read_bytes(), "deploy/b.yaml": _MANIFEST.read_bytes()}
    found += [Scene(f"lint {format_}", ("lint", "deploy", "--format", format_), manifests) for format_ in ("text", "json", "sarif")]
    found.append(Scene("lint stdin", ("lint", "-"), stdin=_MANIFEST.read_bytes()))
    found.append(Scene("lint fix", ("lint", "--fix", "deploy"), manifests))
    found.append(Scene("lint baseline", ("lint", "--write-baseline", "base.json", "deploy"), manifests))
    found.append(Scene("exec dry", ("exec", "--dry-run", "--root", str(_STORY), "--", "/bin/true"), codes=frozenset({125, 126, 127})))
    found.append(Scene("exec", ("exec", "--", "/bin/echo", "it runs"), codes=frozenset({125, 126, 127})))
    yield found
