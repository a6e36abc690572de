"""Yama's ptrace_scope, which Ubuntu sets to 1: the same user may not read a program's memory any more. docs/privileges.md has the table."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cgtune.verdict import blind, blind_partly
from tests.kernel import bench
from tests.live.cgroups import Groups
from tests.support import goprograms
from tests.support.goprograms import Probe

pytestmark = [pytest.mark.kernel, pytest.mark.hierarchy("v2")]

_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")
_NOBODY = 65534
_SETPRIV = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--")


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    """Where every user may run it."""
    place = Path("/run/server")
    shutil.copy(goprograms.build("1.24.11"), place)
    place.chmod(0o755)
    yield place
    place.unlink()


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)


def _look(pid: int) -> dict[str, Any]:
    """What is known of GOMAXPROCS, the notes, and whether that is ground for a verdict."""
    from cgtune.api import inspect

    report = inspect(pids=[pid])
    (process,) = report.processes
    (facts,) = process.snapshot.go
    setting = next(one for one in facts.settings if one.name == "GOMAXPROCS")
    return {
        "values": [setting.derived, setting.observed],
        "notes": [[note.path, note.why, note.privilege] for note in process.notes],
        "rules": [finding.rule for finding in process.findings],
        "blind": blind(report, [pid]) is not None or blind_partly(report) is not None,
    }


@pytest.mark.parametrize("scope", [0, 1, 2, 3])
def test_what_yama_takes_from_the_same_user(scope: int, groups: Groups, program: Path) -> None:
    """From 1 on the memory is refused, which a note says with what would help; what the environment says is known, and judged."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    before = _SCOPE.read_text()
    with Probe(program, wrapper=tuple(group.entering(_SETPRIV)), environment={"GOMAXPROCS": "3"}) as probe:
        _SCOPE.write_text(str(scope))  # 3 cannot be taken back: it is the last
        seen = bench.elsewhere(_become_nobody, look=lambda: _look(probe.pid))
        if scope < 3:
            _SCOPE.write_text(before)
    assert "gomaxprocs-exceeds-quota" in seen["rules"]
    assert seen["values"] == [3, 3 if scope == 0 else None]
    why = {0: [], 3: [["permission denied: Yama's ptrace_scope is 3, which no privilege overrides", None]]}
    refused = [note[1:] for note in seen["notes"] if note[0].endswith("/mem")]
    assert refused == why.get(scope, [["permission denied", "CAP_SYS_PTRACE"]])
    assert seen["blind"] is (scope == 3), seen
