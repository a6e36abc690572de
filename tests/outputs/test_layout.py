"""Text for people keeps to the width that there is, at every width, and what it leaves out it marks, or says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import example, given, settings, strategies as st

from cgtune.api import inspect, predict
from cgtune.model import Advice, Note, ProcessReport, Report
from cgtune.outputs.brief import brief_lines
from cgtune.outputs.layout import LEAST_WIDTH, MOST_WIDTH, Layout, Sheet, cgroup_paths, fold, lay_out, visible
from cgtune.outputs.predict import render_predict
from cgtune.outputs.ps import render_ps
from cgtune.outputs.table import render_table
from cgtune.outputs.text import render_text
from cgtune.verdict import judge_report
from tests.rules.reports import MIB, go_facts, memory_level, report as process_report, sees
from tests.support import stories

WIDTHS = (60, 66, 72, 80, 100, 120, 150, 200)
ID = "dea8d6e6671f" + "0123456789abcdef" * 3 + "0123"
POD = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod6ab9f1eb_8f7d_4388_a4f9_d586f66e99fd.slice"
SCOPE = f"{POD}/cri-containerd-{ID}.scope"


@cache
def _report(name: str) -> Report:
    """What is known of a story."""
    return inspect([int(stories.read_expected(name)["arguments"][1])], root=str(stories.STORIES / name))


@cache
def _go() -> Report:
    """Two Go programs in containers: what is wrong with them takes long lines."""
    from cgtune.model import Policy
    from cgtune.rules import judge_all

    made = []
    for pid, procs, kind in ((4242, 64, 24), (1_234_567, 8, 27)):
        one = process_report(
            go_facts(minor=kind, procs=procs, variables={"GOMAXPROCS": str(procs)}),
            cores=2.5,
            throttled=(900, 1000),
            memory=(memory_level(SCOPE, 512 * MIB), memory_level(POD, None)),
        )
        snapshot = one.snapshot.replace(
            process=one.snapshot.process.replace(pid=pid, command="payment-gateway"),
            container=one.snapshot.container.replace(id=ID, name="app", pod_uid="6ab9f1eb", pod_name=f"payments-7d9c5b8f6d-{pid}"),
        )
        one = one.replace(snapshot=snapshot)
        made.append(one.replace(findings=judge_all(one, Policy())))
    return Report(version="0.1.0", time="2026-11-23T12:00:00Z", machine=made[0].snapshot.machine, processes=tuple(made))


def _too_long(text: str, width: int) -> Iterator[str]:
    """The lines that are wider, though they could have been folded: a word that is longer than a line has one for itself."""
    for line in text.splitlines():
        rest = re.sub(r"^ {2}(?=\S)(\S+(?: \S+)?) {2,}", "", line).strip().removeprefix("- ").removeprefix("> ")
        if visible(line) > width and " " in rest:
            yield line


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("brief", [True, False], ids=["brief", "full"])
def test_every_story_keeps_to_the_width(width: int, brief: bool) -> None:
    """Of each story no line that can be folded is wider than the terminal, in colour or not; three lines a process are never wider."""
    for name in stories.names():
        plain = render_table(_report(name), Layout(width=width, brief=brief))
        assert list(_too_long(plain, width)) == [], name
        assert not brief or max(map(len, plain.splitlines())) <= width, name
        coloured = render_table(_report(name), Layout(width=width, brief=brief, colour=True))
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain != coloured


@settings(max_examples=25, deadline=None)
@given(st.integers(LEAST_WIDTH, MOST_WIDTH))
@example(LEAST_WIDTH)
@example(MOST_WIDTH)
def test_every_format_keeps_to_every_width(width: int) -> None:
    """The report, the list, the verdict and the prediction."""
    layout = Layout(width=width)
    verdict = judge_report(_go(), fail_on="info", ignored=frozenset())
    predicted = predict(cpu_limit="2.5", cpus=64, memory_limit="512Mi", go="1.18,1.24,1.27", env=("GOMAXPROCS=64",))
    texts = (render_table(_go(), layout), render_ps(_go(), layout), render_text(verdict, layout), render_predict(predicted, layout))
    assert [list(_too_long(text, width)) for text in texts] == [[], [], [], []]
    assert max(map(len, render_ps(_go(), layout).splitlines())) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_of_a_story_is_lost_in_silence(width: int) -> None:
    """Whatever -v says is said without it too, but for steps, the `usable` line of a process that has all CPUs, a quota without
    a period, and what the machine itself is; a path that is cut has "…" in it, and its file is there.
    """
    for name in stories.names():
        (process,) = _report(name).processes
        full, short = (" ".join(render_table(_report(name), Layout(width=width, verbose=verbose)).split()) for verbose in (True, False))
        reasons = [reason for one in process.recommendations for reason in one.because]
        reasons += [reason for facts in process.snapshot.go for one in facts.settings for reason in one.because]
        omitted = {word for reason in reasons for word in reason.split()} | {"-"}
        if process.limits.cpu.usable == process.snapshot.machine.online:
            omitted |= set(full.partition(" usable ")[2].partition(" program ")[0].split()) | {"usable"}
        if "throttled in 0 of 0 periods" in full:
            omitted |= {"throttled", "in", "0", "of", "periods,", "0.0", "s", "all"}
        for platform in process.snapshot.platforms if process.snapshot.cpu_chain else ():
            if platform.is_machine:
                omitted |= set(f"platform {platform.name} ({', '.join(platform.told_by)}) hides {platform.hides}".split())
        shortened = Sheet(Layout(width=width), cgroup_paths(process.snapshot)).shorten(full)
        assert [word for word in shortened.split() if word not in short.split() and word not in omitted] == [], name


def test_a_long_path_is_cut_to_its_last_name() -> None:
    """The id keeps six digits, the file stays whole; -v and a wide terminal have the whole path; what is short is not touched."""
    path = f"/sys/fs/cgroup{SCOPE}"
    for width, shown in ((80, "…/cri-containerd-dea8d6….scope/cpu.max"), (MOST_WIDTH, "…/cri-containerd-dea8d6….scope/cpu.max")):
        sheet = Sheet(Layout(width=width), (path, SCOPE, "/sys/fs/cgroup/app", "/"))
        assert sheet.shorten(f"{path}/cpu.max: 250000 100000") == f"{shown}: 250000 100000"
        assert sheet.shorten(f"in {SCOPE} above it") == "in …/cri-containerd-dea8d6….scope above it"
        assert sheet.shorten("/sys/fs/cgroup/app/cpu.max, /opt/x") == "/sys/fs/cgroup/app/cpu.max, /opt/x"
    assert Sheet(Layout(verbose=True), (path,)).shorten(path) == path
    assert Sheet(Layout(width=60), (path,)).shorten(f"{path}/memory.limit_in_bytes") == "…inerd-dea8d6….scope/memory.limit_in_bytes"


def test_a_path_is_cut_only_where_it_ends() -> None:
    """A sibling whose name begins alike, and a path within another one, stay as they are."""
    long = f"/sys/fs/cgroup/{'x' * 50}"
    sheet = Sheet(Layout(width=80), (long,))
    short = f"…/{'x' * 15}…{'x' * 14}"
    assert sheet.shorten(f"{long}b {long}") == f"{long}b {short}"
    assert sheet.shorten(f"({long}) {long}: {long}/x") == f"({short}) {short}: {short}/x"


def test_a_column_is_as_wide_as_the_widest_of_its_headers() -> None:
    """The headers have two lines, and either may be the longer."""
    lines = lay_out((("pid", "memory"), ("", "in use")), (("4242", "1"), ("7", "22")), "><", 0)
    assert lines == [" pid  memory", "      in use", "4242  1", "   7  22"]
    lines = lay_out((("a", "b"), ("under a", "c")), (("1", "2"),), "<<", 2)
    assert lines == ["a          b", "under a    c", "1          2"]


def test_styles_count_for_nothing() -> None:
    """A coloured word takes no more room than it shows."""
    sheet = Sheet(Layout(width=60, colour=True))
    text = f"{sheet.style('strong', 'one two')} " + "x" * 38
    (line,) = sheet.wrapped("label", text)
    assert (visible(line), visible("plain")) == (13 + 7 + 1 + 38, 5)
    assert list(fold("  do: " + "word " * 30, 60))[1].startswith("      word")


def test_from_four_processes_on_each_has_three_lines() -> None:
    """By itself; --full and -v give all of each, --brief three lines of one; the last line says that there is more."""
    one = _go()
    four = one.replace(processes=one.processes * 2)
    for report, layout, brief in (
        (one, Layout(), False),
        (four, Layout(), True),
        (four, Layout(brief=False), False),
        (four, Layout(verbose=True), False),
        (one, Layout(brief=True), True),
    ):
        text = render_table(report, layout)
        assert ("--full says all of each process" in " ".join(text.split()), "quota/period" in text) == (brief, not brief)
        if brief:
            assert len(text.splitlines()) == 2 + 4 * len(report.processes) + 2


def test_three_lines_of_a_process() -> None:
    """What is wrong, what limits it and how it goes, what to set; the number of further findings; and what could not be seen."""
    first, *_ = _go().processes
    title, limits, acts = render_table(_go().replace(processes=(first,)), Layout(width=MOST_WIDTH, brief=True)).splitlines()[3:6]
    assert re.match(r"4242 payment-gateway  warning [a-z-]+(, hurts now)? \(\+\d\): ", title)
    assert limits.startswith("  payments-7d9c5b8f6d-4242/app: 2.5 CPUs of 8, 512 MiB; throttled in 90.0 % of 1000 periods; ")
    assert "GOMAXPROCS 64: export GOMAXPROCS=3; GOMEMLIMIT off: export GOMEMLIMIT=" in acts
    for name, words in (("kernel-thread", "no Go"), ("v2-other-users-process", "1 not seen"), ("k8s-burstable-systemd", "OOM kills 1")):
        assert words in render_table(_report(name), Layout(brief=True))


def test_how_many_things_were_not_seen_is_not_cut() -> None:
    """It stands before how it goes: a number that is missing there would look like one that does not exist."""
    report = _report("k8s-burstable-systemd")
    (process,) = report.processes
    unseen = process.replace(snapshot=process.snapshot.replace(notes=(Note(path="/x", why="no", kind="failed"),)))
    shown = render_table(report.replace(processes=(unseen,)), Layout(width=80, brief=True))
    assert "0.5 CPUs of 8, 512 MiB; 1 not seen; OOM kills 1" in shown


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (process_report(is_self=True), "  it stands for this container"),
        (process_report(go_facts(dies="fatal error: no")), "  Go 1.27.3 dies at its next start; GOMAXPROCS"),
        (
            process_report(go_facts(minor=24, procs=7, procs_derived=5, variables={"GOMAXPROCS": "5"}), cores=2.0),
            "  GOMAXPROCS 7: set 3 in the program; GOMEMLIMIT",
        ),
        (process_report(go_facts(minor=24, procs=2, variables={"GOMAXPROCS": "2"}), cores=2.0), "  GOMAXPROCS 2: as it should be; "),
        (process_report(go_facts(minor=24, procs=8), cores=2.0), "  GOMAXPROCS 8: export GOMAXPROCS=3; "),
        (process_report(go_facts(procs=2, seen=sees(200_000)), cores=2.0), "  GOMAXPROCS 2: leave it unset; "),
        (process_report(go_facts(procs=None, procs_derived=2, seen=sees(200_000)), cores=2.0), "  GOMAXPROCS derived 2: leave it unset; "),
    ],
    ids=["cgtune itself", "dies", "overruled", "right", "to be set", "by Go itself", "not seen"],
)
def test_what_to_set_stands_in_the_third_line(made: ProcessReport, words: str) -> None:
    """Whatever is to be done about a value, or nothing."""
    assert brief_lines(made, Layout(width=MOST_WIDTH))[2].startswith(words)


def test_the_end_of_a_harm_stands_beside_it() -> None:
    """In the list, in three lines, in the verdict's first line, and in the report before what shows it; not if nothing was felt."""
    first, *_ = _go().processes
    (finding, *_) = first.findings
    for harm in ("now", "possible"):
        felt = harm == "now"
        told = first.replace(findings=(finding.replace(harm=harm, symptoms=("cpu-throttled",)),))
        report, end = _go().replace(processes=(told,)), "GOMAXPROCS=3: "
        assert (f"; set {end}" in render_table(report, Layout(width=400, brief=True)).splitlines()[3]) == felt
        row = next(line for line in render_ps(report).splitlines() if " 4242 " in line)
        assert (f"  cpu-throttled: set {end}" in row, "what ends it" in render_ps(report)) == (felt, felt)
        line, *below = render_text(judge_report(report, fail_on="info", ignored=frozenset())).splitlines()
        assert (f"; do: set {end}" in line, any(f"do: set {end}" in each for each in below)) == (felt, not felt)
        full = render_table(report, Layout(width=400))
        assert (full.index(f"> {end}") < full.index("- GOMAXPROCS is 64")) == felt


@pytest.mark.parametrize("width", [60, 80, 100, 120, 150, 180, 200])
@pytest.mark.parametrize("colour", [False, True])
def test_the_list_says_what_ends_a_harm_at_any_width(width: int, colour: bool) -> None:
    """Whole, right below its process or beside it; nothing below who was not hurt; and the harm itself is never cut."""
    first, second, *_ = _go().processes
    reason = "a reason of some words, as a finding has, so that one line of a narrow terminal is not enough for all of it, nor two"
    finding = first.findings[0].replace(advice=(Advice(variable=None, value=None, reason=reason),), rule="cpu-throttled", symptoms=())
    hurt, well = (finding.replace(severity="critical", harm=harm) for harm in ("now", "possible"))
    report = _go().replace(processes=(first.replace(findings=(hurt,)), second.replace(findings=(well,))))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", render_ps(report, Layout(width=width, colour=colour))).splitlines()
    assert max(map(len, lines)) <= width
    place = next(place for place, line in enumerate(lines) if " critical cpu-throttled, hurts now" in line)
    after = next(place for place, line in enumerate(lines) if re.search(r"critical cpu-throttled(?!, hurts)", line))
    told = " ".join(" ".join(lines[place:after]).split())
    assert told.endswith(f"> cpu-throttled: {reason}")
    assert "> " not in "".join(lines[after:])
    assert "harm and" not in "".join(lines)


def test_severities_differ_in_colour() -> None:
    """Critical is red, a warning yellow, in the report, the list, the verdict and the prediction."""
    first, *_ = _go().processes
    critical = first.replace(findings=tuple(finding.replace(severity="critical") for finding in first.findings))
    both = _go().replace(
        processes=(critical, _go().processes[1].replace(findings=tuple(f.replace(severity="warning") for f in first.findings)))
    )
    layout = Layout(width=160, colour=True)
    verdict = judge_report(both, fail_on="info", ignored=frozenset())
    for text in (
        render_table(both, layout),
        render_ps(both, layout),
        render_text(verdict, layout),
        render_table(both, layout.replace(brief=True)),
    ):
        assert {"\x1b[1;31m", "\x1b[1;33m"} <= set(re.findall(r"\x1b\[[0-9;]+m", text))
    assert "\x1b[1;33m" in render_predict(predict(cpu_limit="2.5", cpus=64, go="1.24"), layout)


_TRIPLE = "now / derived / set"


@pytest.mark.parametrize(
    ("width", "gone"),
    [
        *((250, ""), (150, ""), (130, "Go, CPU limit, memory limit:")),
        (115, f"Go, GOMEMLIMIT {_TRIPLE}, CPU limit, memory limit:"),
        *((80, f"Go, GOMAXPROCS {_TRIPLE}, GOMEMLIMIT {_TRIPLE}, CPU limit, memory limit"), (60, f"container, Go, GOMAXPROCS {_TRIPLE},")),
    ],
)
def test_a_narrow_list_says_which_columns_it_has_no_room_for(width: int, gone: str) -> None:
    """Names are cut first, with "…"; then columns go, and the line below says which."""
    text = render_ps(_go(), Layout(width=width))
    assert (f"no room for {gone}" in " ".join(text.split()), "no room" in text) == (True, True) if gone else ("no room" not in text)
    assert "worst finding" in text
    assert "4242" in text


def test_a_pod_is_known_by_the_end_of_its_name() -> None:
    """A name that has no room loses its beginning."""
    line = render_ps(_go(), Layout(width=132)).splitlines()[2]
    assert re.search(r"…[a-z0-9-]*4242/app ", line), line


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_name_steers_a_terminal_at_any_width(width: int) -> None:
    """Cut or whole, in three lines, in all or in the list: a process, a cgroup and a container of any name print what can be printed."""
    hostile = "\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202eevil" * 8
    (first, *_) = _go().processes
    snapshot = first.snapshot
    spoiled = snapshot.replace(
        process=snapshot.process.replace(command=hostile, executable=f"/{hostile}"),
        container=snapshot.container.replace(id=hostile, name=hostile, pod_name=hostile, pod_uid=hostile),
        cpu_chain=tuple(level.replace(path=f"/{hostile}", directory=f"/c/{hostile}") for level in snapshot.cpu_chain),
        memory_chain=tuple(level.replace(path=f"/{hostile}", directory=f"/c/{hostile}") for level in snapshot.memory_chain),
    )
    nameless = spoiled.replace(container=spoiled.container.replace(name=None, pod_name=None))
    report = _go().replace(processes=(first.replace(snapshot=spoiled), first.replace(snapshot=nameless)))
    for layout in (Layout(width=width), Layout(width=width, brief=True), Layout(width=width, verbose=True)):
        for text in (render_table(report, layout), render_ps(report, layout)):
            assert all(line.isprintable() for line in text.split("\n"))
