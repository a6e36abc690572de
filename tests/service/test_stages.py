"""How a scan goes is told stage by stage, and one that does not end is told too."""

from __future__ import annotations

import time

import pytest

from cgtune.service.board import Board
from cgtune.service.stages import Stages
from cgtune.service.web import render_metrics
from tests.support.serving import parse_metrics


def test_each_stage_tells_how_long_it_took_and_whether_it_went_well() -> None:
    """The last time that it was run."""
    stages = Stages()
    with stages.at("machine"):
        time.sleep(0.01)
    with pytest.raises(KeyError), stages.at("rules"):
        raise KeyError
    assert {name: stage.is_good for name, stage in stages.last.items()} == {"machine": True, "rules": False}
    assert stages.last["machine"].seconds >= 0.01
    with stages.at("rules"):
        pass
    assert stages.last["rules"].is_good


@pytest.mark.parametrize(
    ("interval", "seconds", "hangs"), [(1.0, 59.0, False), (1.0, 61.0, True), (15.0, 149.0, False), (15.0, 151.0, True)]
)
def test_a_scan_hangs_after_ten_intervals_and_never_before_a_minute(
    monkeypatch: pytest.MonkeyPatch, interval: float, seconds: float, hangs: bool
) -> None:
    """Between two scans nothing runs."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    stages = Stages()
    assert (stages.running_seconds(), stages.hanging_words(interval)) == (0.0, None)
    stages.begin()
    now += seconds
    assert (stages.hanging_words(interval) is not None) == hangs
    stages.end()
    assert (stages.running_seconds(), stages.hanging_words(interval)) == (0.0, None)


def test_the_metrics_tell_them_before_the_first_report_too() -> None:
    """A file bears no running time, which would stand still."""
    board = Board(15.0)
    board.stages.begin()
    with board.stages.at("machine"):
        pass
    page = parse_metrics(bytes(render_metrics(board, openmetrics=False)).decode())
    assert page["cgtune_scan_stage_success"] == [({"stage": "machine"}, 1.0)]
    assert page["cgtune_scan_stage_duration_seconds"][0][1] < 1
    assert page["cgtune_scan_running_seconds"][0][1] > 0
    assert "cgtune_scan_running_seconds" not in parse_metrics(bytes(render_metrics(board, openmetrics=False, with_age=False)).decode())
