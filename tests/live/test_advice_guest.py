"""scripts/bench/advice --guest with a real guest: fair CPUs, a row that counts, and what is there is not run again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import evidence, guestmachine, guestruns
from tests.support.guestruns import Job
from tests.support.needs import require

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.fetched]


def test_a_server_runs_on_eight_equal_cpus_of_a_newer_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run from the fetch of QEMU to its row: the CPUs differ by less than 15 %, the quota is obeyed, the requests come on time."""
    require("CGTUNE_BENCH" not in os.environ, "starts a guest itself: not for the inside of one")
    said: list[str] = []
    job = Job("guest", "cpu", 1.5, 60.0, 2, 7, 1.0)
    monkeypatch.setattr(guestruns, "quick_jobs", lambda: [job])
    try:
        guestruns.measure(tmp_path, 300, is_full=False, say=said.append)
    except guestmachine.Impossible as why:
        require(False, str(why))
    (row,) = evidence.read_rows(tmp_path / guestruns.ROWS)
    assert (row["gomaxprocs"], row["offered"], guestruns.faults(row)) == ("2", "769.23", [])
    speeds = evidence.read_rows(tmp_path / guestruns.SPEEDS)
    for when in ("before", "after"):
        found = {int(row["cpu"]): float(row["turns_us"]) for row in speeds if row["when"] == when}
        assert set(found) == set(guestmachine.MEASURED)
        assert guestruns.spread(found) < guestruns.MOST_SPREAD
    assert guestruns.is_done(job, evidence.read_rows(tmp_path / guestruns.ROWS))
    assert not guestruns.is_done(job._replace(seed=8), evidence.read_rows(tmp_path / guestruns.ROWS))
