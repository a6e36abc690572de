"""What the service holds, by the allocator's own count: the same on any machine, however busy it is."""

from __future__ import annotations

import gc
import io
import sys
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cgtune.api import inspect, judge
from cgtune.commands import terminal
from cgtune.model import Report
from cgtune.outputs.json import render_json, report_pieces
from cgtune.outputs.packed import Packed, PackedFile
from cgtune.outputs.prometheus import render_report
from cgtune.service.follow import Follower
from cgtune.system.host import Host
from tests.support import stories

STORY = "v2-ancestor-tighter"


def traced(make: Callable[[], Any]) -> tuple[Any, int, int]:
    """What it made, how many bytes are held since, and how many were at most meanwhile."""
    gc.collect()
    tracemalloc.start()
    try:
        made = make()
        gc.collect()
        return made, *tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def many(count: int) -> Report:
    """A report on so many processes, all alike but for their pids."""
    report = stories.report(STORY)
    (process,) = report.processes
    alike = process.snapshot.process
    return report.replace(
        processes=tuple(
            process.replace(snapshot=process.snapshot.replace(process=alike.replace(pid=1000 + number))) for number in range(count)
        )
    )


def test_a_report_holds_few_bytes_of_a_process() -> None:
    """12 KiB, the machine included: records have slots, and equal sets are one. With a dict in each record it was 28 KiB."""

    def look() -> Report:
        return inspect([4242], root=str(stories.STORIES / STORY))

    look()  # what is loaded and known by then is not of one report
    _, kept_bytes, _ = traced(lambda: [look() for _ in range(20)])
    assert kept_bytes / 20 < 12 << 10, kept_bytes / 20


@pytest.mark.parametrize("render", [lambda report: Packed(report_pieces(report)), lambda report: render_report(report, openmetrics=True)])
def test_a_page_takes_a_fraction_of_its_text(render: Callable[[Report], Packed]) -> None:
    """Kept; and while it is made, no moment holds the whole text."""
    report = many(400)
    render(many(1))
    page, kept_bytes, most_bytes = traced(lambda: render(report))
    assert page.size > 5 << 18
    assert kept_bytes < page.size / 8
    assert most_bytes < 5 << 18, (most_bytes, page.size)


def test_an_idle_service_keeps_nothing_of_single_cgroups() -> None:
    """The next look reads them anew; until then, and while it does, what the last one knew of them would be held beside it."""
    with Host(str(stories.STORIES / STORY)) as host:
        follower = Follower(host, (4242,), None)
        assert follower.look(1.0).report.processes[0].snapshot.cpu_chain
        view = follower._view
        assert (view.containers, view.cgroups._read, view.ours.whole, view.ours._roots) == ({}, {}, {}, {})


def test_advice_that_stays_is_shared_with_the_report_before() -> None:
    """Two looks at the same have one and the same recommendations and findings."""
    with Host(str(stories.STORIES / STORY)) as host:
        follower = Follower(host, (4242,), None)
        (first,), (second,) = (follower.look(float(number)).report.processes for number in range(2))
    assert first.findings
    assert second is not first
    assert second.findings is first.findings
    assert second.recommendations is first.recommendations


def test_what_several_are_told_is_made_once() -> None:
    """From the first look of a service on: pods of one deployment have the same findings."""
    report = many(2)
    bare = report.replace(processes=tuple(process.replace(findings=()) for process in report.processes))
    one, another = judge(bare, before=bare).processes
    assert one.findings == report.processes[0].findings != ()
    assert all(mine is its for mine, its in zip(one.findings, another.findings, strict=True))


def test_whoever_reads_slowly_holds_a_place_and_no_copy() -> None:
    """Forty that have read a few bytes each."""
    page = Packed(report_pieces(many(50)))
    whole = bytes(page)

    def open_all() -> list[PackedFile]:
        files = [PackedFile(page) for _ in range(40)]
        assert all(file.read(9) == whole[:9] for file in files)
        return files

    files, kept_bytes, most_bytes = traced(open_all)
    assert kept_bytes < 16 << 10
    assert most_bytes < 256 << 10
    assert files[0].read() == whole[9:]


def test_a_long_report_is_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes, each write of 256 KiB or little more, and never all of them at once."""
    report, sizes = many(300), list[int]()

    class Sink(io.RawIOBase):
        def write(self, data: Any) -> int:
            sizes.append(len(data))
            return len(data)

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding="utf-8", buffer=Sink(), flush=lambda: None))
    _, _, most_bytes = traced(lambda: terminal.emit(report_pieces(report)))
    text = render_json(report)
    assert sum(sizes) == len(text)
    assert len(sizes) > len(text) >> 19
    assert max(sizes) < 300 << 10
    assert most_bytes < len(text) / 2, (most_bytes, len(text))
