"""Everything at once, for some seconds: what scripts/bench/siege does for minutes."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.live.cgroups import own_groups
from tests.support import toolchains
from tests.support.command import ROOT, uncounted
from tests.support.needs import require

pytestmark = [pytest.mark.live, pytest.mark.slow]


def test_the_honest_are_told_right_among_attackers() -> None:
    """Few of each attacker and eight honest programs, for five seconds: each scrape tells of these as before, within the memory limit."""
    require(os.geteuid() == 0, "makes namespaces and control groups: run as root")
    require(any(map(toolchains.is_present, ("1.25.5", "1.27.3"))), "no Go toolchain in the cache; scripts/toolchain fetches them")
    require(os.access("/dev/fuse", os.R_OK | os.W_OK), "mounts a file system that stalls: needs /dev/fuse")
    with own_groups():  # or it says why it cannot run here
        pass
    command = [str(ROOT / "scripts/bench/siege"), "--seconds", "5", "--honest", "8", "--scale", "1"]
    run = subprocess.run(command, capture_output=True, text=True, env=uncounted(), timeout=300, check=False)
    assert re.search(r"^right +[1-9].* ok$", run.stdout, re.MULTILINE), run.stdout + run.stderr
    # Times hang on whoever else is busy here: they are promised by the run that takes minutes
    over = [line for line in run.stdout.splitlines() if line.endswith("OVER") and not line.startswith(("scrape", "healthz", "end"))]
    assert over == [], run.stdout + run.stderr
