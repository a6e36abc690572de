"""Use over time as lines: whole where it was measured, broken where it was not, and of bounded size whatever an engine tells."""

from __future__ import annotations

import re

from cgtune.fleet.model import Row, Timeline
from cgtune.outputs.fleet.html import render_fleet_html
from cgtune.outputs.fleet.plots import draw_over_time
from tests.support.fleetreports import BARE, HOSTILE_REPORT, MIB, ORDERS, TIMELINE, TRACKED, key, report_of

WEEK = 7 * 86400


def paths(row: Row, timeline: Timeline | None = TIMELINE) -> list[str]:
    """The lines of its plots."""
    return re.findall(r'class="line" d="([^"]*)"', draw_over_time(row, timeline))


def test_a_line_goes_from_step_to_step() -> None:
    """A gap breaks it, a point that stands alone is a dot; the top is a little above the most, or above a limit that is higher."""
    step = TIMELINE.step_seconds
    places = {0: 0.5, 1: 1.0, 3: 0.25, 57: 0.0, 58: 2.0}
    track = tuple((TIMELINE.begin_seconds + place * step, cores) for place, cores in places.items())
    track += ((track[-1][0] + 60, 1.5),)  # of two in one step the higher stays
    row = ORDERS.replace(measured=ORDERS.measured.replace(cpu_track=track, memory_track=()))
    assert paths(row) == ["M0 76 10 52M30 88h0M570 100 580 5"]
    text = draw_over_time(row, TIMELINE)
    assert "<title>CPUs used, the mean of each 2.9 h</title><desc>at most 2, last 2, limit of now 1</desc>" in text
    assert "<figcaption>CPUs used, the mean of each 2.9 h: at most 2, last 2, limit of now 1</figcaption>" in text
    assert '<path class="level" d="M0 52H580"><title>limit 1</title></path>' in text
    assert "Over 7 days, the busiest replica" in text


def test_memory_has_its_limit_and_gomemlimit() -> None:
    """Both are levels, if they are known."""
    text = draw_over_time(TRACKED, TIMELINE)
    assert text.count("<svg") == 2
    assert re.search(r"<desc>at most 500 MiB, last [\d.]+ MiB, limit of now 512 MiB</desc>", text)
    with_soft = TRACKED.replace(measured=TRACKED.measured.replace(gomemlimit_bytes=460 * MIB, is_gomemlimit_off=False))
    assert draw_over_time(with_soft, TIMELINE).count('class="level"') == 3


def test_nothing_is_drawn_of_what_was_not_asked_or_measured() -> None:
    """Neither a heading nor a frame; what is of another time has no place."""
    assert draw_over_time(TRACKED, None) == draw_over_time(BARE, TIMELINE) == ""
    early = ((TIMELINE.begin_seconds - WEEK, 1.0), (TIMELINE.end_seconds + WEEK, 1.0))
    assert draw_over_time(ORDERS.replace(measured=ORDERS.measured.replace(cpu_track=early)), TIMELINE) == ""
    zero = tuple((TIMELINE.begin_seconds + TIMELINE.step_seconds * place, 0.0) for place in range(3))
    bare = BARE.replace(measured=BARE.measured.replace(cpu_track=zero))
    assert paths(bare) == ["M0 100 10 100 20 100"]


def test_a_workload_has_a_bounded_part_of_the_page() -> None:
    """At most 60 points a line, however many an engine tells; 527 workloads come to 3.5 MB with all that is told of them."""
    crowd = tuple((TIMELINE.begin_seconds + 60.0 * place, float(place % 7)) for place in range(WEEK // 60))
    crowded = TRACKED.replace(measured=TRACKED.measured.replace(cpu_track=crowd, memory_track=crowd))
    assert [len(re.findall(r"\d+ \d+", path)) for path in paths(crowded)] == [59, 59]
    assert len(draw_over_time(crowded, TIMELINE)) < 2500
    rows = [TRACKED.replace(key=key(f"orders-{number}")) for number in range(527)]
    page, without = (len(render_fleet_html(report_of(*rows, timeline=timeline))) for timeline in (TIMELINE, None))
    assert (page - without) / 527 < 2500
    assert page < 4e6


def test_no_label_is_markup_in_a_plot() -> None:
    """Whatever a row is called; the figures alone stand in it."""
    (row,) = HOSTILE_REPORT.rows
    row = row.replace(measured=row.measured.replace(cpu_track=TRACKED.measured.cpu_track))
    assert "<img" not in render_fleet_html(HOSTILE_REPORT.replace(rows=(row,), timeline=TIMELINE))
