"""Ten small real programs of Debian and PyPI, of eight Go versions, run under limits: what cgtune says of them is what Go says.

scripts/real-programs runs all that are listed; docs/real-programs.md says how.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.live.cgroups import hierarchies
from tests.support.command import ROOT
from tests.support.needs import require
from tests.support.realprograms.listing import read_programs

pytestmark = [pytest.mark.live, pytest.mark.slow]

_SCRIPT = str(ROOT / "scripts" / "real-programs")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """What one run of the share says of each program."""
    require(os.geteuid() == 0, "makes control groups: run as root")
    missing = [name for name in ("apt-get", "dpkg-deb", "setpriv") if not shutil.which(name)]
    require(not missing, f"needs Debian's {' and '.join(missing)}")
    require({"cpu", "memory", "cpuset"} <= hierarchies().keys(), "no mounted hierarchy lends the controllers cpu, memory and cpuset")
    fetched = subprocess.run([_SCRIPT, "--small", "--fetch-only"], capture_output=True, text=True, timeout=900)
    require(fetched.returncode == 0, f"the packages could not be fetched: {fetched.stdout.strip() or fetched.stderr.strip()}")
    ran = subprocess.run([_SCRIPT, "--small", "--format", "json"], capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_no_number_is_wrong_and_none_is_missing(document: dict[str, Any]) -> None:
    """Of each program, once without variables and once with three, every number is the witness's; one is too old, and a note says so."""
    verdicts = {program["name"]: (program["verdict"], program["words"]) for program in document["programs"]}
    assert set(verdicts) == {program.name for program in read_programs() if program.share == "small"}
    assert {name: found for name, found in verdicts.items() if found[0] not in ("agree", "older")} == {}
    assert [name for name, (verdict, _) in verdicts.items() if verdict == "older"] == ["go-md2man"]
    # Versions and GOMAXPROCS, derived and observed, of nine programs in two runs, GOMEMLIMIT and GOGC of the second, two of each file.
    assert document["totals"]["readings"] >= 9 * (2 * 3 + 2 + 2)


def test_nothing_is_left_of_the_programs(document: dict[str, Any]) -> None:
    """After the run there is no group of its own, and so no process in one, and no folder."""
    assert document["programs"]
    groups = [place for _, root in hierarchies().values() for place in root.glob("cgtune-test-live-*")]
    folders = list(Path(tempfile.gettempdir()).glob("cgtune-test-real-*"))
    assert [place for place in groups + folders if not _maker_lives(place)] == []


def _maker_lives(place: Path) -> bool:
    """Whether the run that made it still goes on, and so is not ours: its pid is the fourth word of the name."""
    return Path(f"/proc/{place.name.split('-')[3]}").exists()
