"""What counts as a fresh report: three intervals, and never less than five seconds, since its scan began."""

from __future__ import annotations

import pytest

from cgtune.api import inspect
from cgtune.outputs.packed import Packed
from cgtune.service.board import Board, Found
from cgtune.service.follow import Look
from cgtune.verdict import judge_report
from tests.support import stories

BEGAN_SECONDS = 100.0


def pinned(board: Board) -> Board:
    """The board, with a report whose scan began at 100 s."""
    report = inspect([4242], root=str(stories.STORIES / "v2-ancestor-tighter"))
    verdict = judge_report(report, fail_on="warning", ignored=frozenset())
    look = Look(report=report, unreadable=0, left_out=0, missing=(), troubles={})
    board.pin(Found(look=look, verdict=verdict, began_seconds=BEGAN_SECONDS, time_seconds=0.0, scan_seconds=0.1))
    return board


@pytest.mark.parametrize(("interval_seconds", "fresh_seconds"), [(0.1, 5.0), (1.0, 5.0), (2.0, 6.0), (15.0, 45.0), (3600.0, 10800.0)])
def test_a_report_grows_old(interval_seconds: float, fresh_seconds: float) -> None:
    """At the limit it is fresh, a moment later its age and the limit are told."""
    board = pinned(Board(interval_seconds))
    assert board.stale_words(BEGAN_SECONDS + fresh_seconds) is None
    late = f"the report is {fresh_seconds + 0.1:.1f} s old, and counts as fresh for {fresh_seconds:g} s"
    assert board.stale_words(BEGAN_SECONDS + fresh_seconds + 0.1) == late


def test_no_report_is_not_fresh() -> None:
    """However early, and though scans failed."""
    board = Board(15.0)
    board.count_error()
    assert board.stale_words(0.0) == "no report yet"


def test_a_page_is_rendered_once_for_each_report() -> None:
    """And anew for the next one; without any it is empty."""
    rendered: list[Found] = []

    def render(found: Found) -> Packed:
        rendered.append(found)
        return Packed(("page",))

    board = Board(15.0)
    assert board.page("x", lambda _found: Packed(("never",))).size == 0
    for _report in range(2):
        pinned(board)
        for _request in range(3):
            assert bytes(board.page("x", render)) == b"page"
    assert len(rendered) == 2
