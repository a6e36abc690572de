"""How slow this machine is."""

from __future__ import annotations

import time

import pytest

from cgtune.system.slowness import measure_slowness


@pytest.mark.parametrize(("seconds", "slowness"), [(0.0005, 1.0), (0.001, 1.0), (0.03, 30.0), (1.0, 100.0)])
def test_it_is_what_the_same_work_takes(monkeypatch: pytest.MonkeyPatch, seconds: float, slowness: float) -> None:
    """Never below that of a server, and within bounds."""
    times = iter((5.0, 5.0 + seconds))
    monkeypatch.setattr(time, "thread_time", lambda: next(times))
    assert measure_slowness() == pytest.approx(slowness)
