"""What people and programs see: 80 columns, no character that steers a terminal, the same bytes for the same facts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given, strategies as st
from tabulate import tabulate

from cgtune.limits import enforce
from cgtune.model import (
    AUTOMAXPROCS,
    ByteLimit,
    Container,
    MemoryEvents,
    MemoryLevel,
    MemoryParts,
    Note,
    Policy,
    Pressure,
    ProcessReport,
    Report,
)
from cgtune.numbers import format_cores
from cgtune.outputs.escape import escape_bytes, escape_control
from cgtune.outputs.json import render_json
from cgtune.outputs.junit import render_junit
from cgtune.outputs.layout import HEADER_ROOM, Layout, lay_out
from cgtune.outputs.ps import render_ps
from cgtune.outputs.sarif import render_sarif
from cgtune.outputs.table import render_table
from cgtune.outputs.words import format_bytes, format_cpu_list, format_value, machinery_words
from cgtune.rules import judge_all
from cgtune.verdict import judge_report
from tests.rules.reports import MIB, go_facts, memory_level, report as process_report
from tests.support import stories

if TYPE_CHECKING:
    from cgtune.model import Kind

WIDTH = 80


@pytest.mark.parametrize("name", stories.names())
def test_the_table_keeps_to_80_columns(name: str) -> None:
    """No line is wider than a terminal at 3 a.m., but for a path or URL that is: it stands alone, and is never cut."""
    for line in render_table(stories.report(name)).splitlines():
        assert len(line) <= WIDTH or line[13:].removeprefix("- ").lstrip().startswith(("/", "http://")), line


@pytest.mark.parametrize("name", ["v2-plain", "v2-ancestor-tighter", "v2-awkward-names", "v1-docker-mount-root", "no-cgroup"])
def test_colour_changes_nothing_but_colour(name: str) -> None:
    """With the terminal codes taken out, the coloured table is the plain one; the plain one has none."""
    plain, coloured = render_table(stories.report(name)), render_table(stories.report(name), Layout(colour=True))
    assert "\x1b" not in plain
    assert plain == re.sub(r"\x1b\[[0-9;]*m", "", coloured) != coloured


def test_the_verdict_comes_first() -> None:
    """CPU and memory, and the file that says so, right after the findings and before anything else."""
    text = render_table(stories.report("v2-ancestor-tighter"))
    lines = text[text.index("4242 server") :].splitlines()
    assert lines[1].startswith("  info       hurt earlier: throttled in 7.5 % of the periods")
    verdict = lines[next(place for place, line in enumerate(lines) if line.startswith("  CPU ")) - 1 :]
    assert re.search(r"\b1 CPUs? of 8 usable: 100000 of every 100000 µs, says$", verdict[1])
    assert verdict[2].strip() == "/sys/fs/cgroup/pod/cpu.max"
    assert verdict[3].endswith("512 MiB: 536870912 bytes, says")
    assert verdict[4].strip() == "/sys/fs/cgroup/pod/memory.max"


def _memory_lines(*memory: MemoryLevel) -> list[str]:
    """What the table says of a process with this chain, but for the chain itself."""
    process = process_report(memory=memory)
    whole = Report(version="0", time="", machine=process.snapshot.machine, processes=(process,))
    return [line.strip().removeprefix("use").strip() for line in render_table(whole).splitlines()]


def test_the_share_of_a_limit_is_that_of_the_cgroup_that_binds() -> None:
    """A leaf of 10 MiB below a parent that is nearly full is not at 10 % of anything; and a leaf of its own is told by itself."""
    own, parent = memory_level("/pod/app", None, current_bytes=10 * MIB), memory_level("/pod", 100 * MIB, current_bytes=97 * MIB)
    own, parent = own.replace(parts=None), parent.replace(parts=None)
    assert "memory 10 MiB charged; 97 MiB charged in all of pod (97.0 % of the limit)" in " ".join(_memory_lines(own, parent))
    assert "memory 97 MiB charged (97.0 % of the limit)" in _memory_lines(parent)
    without = own.replace(limit=None, current_bytes=None)
    assert "memory 97 MiB charged in pod (97.0 % of the limit)" in _memory_lines(without, parent)


def test_what_can_be_given_back_is_no_use_of_a_limit() -> None:
    """255 of 256 MiB are charged, nearly all of it page cache: 0.8 % of the limit are in use, and the chain says the same."""
    parts = MemoryParts(anonymous_bytes=MIB, active_file_bytes=200 * MIB, inactive_file_bytes=53 * MIB, unevictable_bytes=0, dirty_bytes=0)
    level = memory_level("/pod", 256 * MIB, current_bytes=255 * MIB).replace(parts=parts)
    lines = _memory_lines(level)
    assert "memory 2 MiB in use (0.8 % of the limit); 253 MiB more can be given back" in " ".join(lines)
    assert "of which anonymous 1 MiB" in lines
    assert any(line.split() == ["pod", "256", "MiB", "max", "max", "2", "MiB"] for line in lines)
    assert "99." not in " ".join(lines)


def test_memory_and_swap_together_are_not_called_swap() -> None:
    """v1's memory.memsw.limit_in_bytes has a column and a line of its own."""
    both = memory_level("/pod", 256 * MIB).replace(version=1, high=None, swap=None, memsw=ByteLimit(limit_bytes=640 * MIB))
    lines = _memory_lines(both)
    assert "memory and swap together up to 640 MiB" in lines
    assert any(line.startswith("memory, leaf first") and line.split()[-4:] == ["high", "mem+swap", "in", "use"] for line in lines)
    assert not any(line.startswith("swap up to") for line in lines)


def test_kills_are_told_with_both_counters_and_of_each_cgroup() -> None:
    """One process killed with memory.oom.group counts as 2: the second counter says why."""
    own = memory_level("/pod/app", 96 * MIB).replace(events=MemoryEvents(oom_kill=0, oom_group_kill=0))
    pod = memory_level("/pod", None).replace(events=MemoryEvents(oom=1, oom_kill=2, oom_group_kill=1))
    process = process_report(memory=(own, pod))
    text = " ".join(render_table(_machine_report(process)).split())
    assert "OOM kills 0 OOM kills 2, 1 of a whole group (its first victim counts twice) in pod" in text


def test_bursts_and_idle_cgroups_are_shown() -> None:
    """The burst stands beside the quota, with its file, and a cgroup under cpu.idle has no weight."""
    process = process_report(cores=1.0, throttled=(20, 400))
    leaf, *above = process.snapshot.cpu_chain
    assert leaf.throttling is not None
    counters = leaf.throttling.replace(bursts=12, burst_seconds=0.9)
    snapshot = process.snapshot.replace(cpu_chain=(leaf.replace(burst_us=50_000, idle=True, weight=1, throttling=counters), *above))
    process = process.replace(snapshot=snapshot, limits=enforce(snapshot))
    lines = [" ".join(line.split()) for line in render_table(_machine_report(process)).splitlines()]
    assert "after a rest 50000 µs more at once, says" in lines
    assert "/sys/fs/cgroup/pod/app/cpu.max.burst" in lines
    assert "app 100000/100000 +50000 1 idle 20/400" in lines
    assert "saved-up quota used in 12 periods, 0.9 s in all" in lines
    leaf = leaf.replace(throttling=counters.replace(bursts=1))
    once = process.replace(snapshot=process.snapshot.replace(cpu_chain=(leaf, *above)))
    assert "saved-up quota used in 1 period, 0.9 s in all" in " ".join(render_table(_machine_report(once)).split())


def _machine_report(process: ProcessReport) -> Report:
    return Report(version="0", time="", machine=process.snapshot.machine, processes=(process,))


def test_a_memory_high_that_the_limit_keeps_out_of_reach_slows_nothing_down() -> None:
    """At or above the limit of its own cgroup or an ancestor's it is never reached; above that of a leaf its other children reach it."""
    for chain, slows in (
        ((memory_level("/a", 200 * MIB, high_bytes=300 * MIB),), False),
        ((memory_level("/a", 200 * MIB, high_bytes=200 * MIB),), False),
        ((memory_level("/a", 200 * MIB, high_bytes=199 * MIB),), True),
        ((memory_level("/a/b", None, high_bytes=300 * MIB), memory_level("/a", 200 * MIB)), False),
        ((memory_level("/a/b", 200 * MIB), memory_level("/a", None, high_bytes=300 * MIB)), True),
    ):
        assert any(line.startswith("slowed down from") for line in _memory_lines(*chain)) == slows, chain


HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\n\x00\x7f\x9b31m\u202eevil\u2066\udcff\U000e0041"


@pytest.mark.parametrize(
    ("age_seconds", "value", "said"),
    [
        (3, None, "export GOMEMLIMIT=460MiB - it was measured 3 s after its start, so more is kept free than later CPU"),
        (None, None, "export GOMEMLIMIT=460MiB - it is not known how long it has run, so more is kept free than later CPU"),
        (3600, None, "export GOMEMLIMIT=486MiB CPU"),
        (3, 480, "export GOMEMLIMIT=480MiB CPU"),
    ],
)
def test_a_value_that_is_not_sure_yet_says_so(age_seconds: int | None, value: int | None, said: str) -> None:
    """Without -v too: who pastes the line at 3 a.m. knows that it was early. A value that is set and stays is no question."""
    facts = {} if value is None else {"memory": value * MIB, "variables": {"GOMEMLIMIT": f"{value}MiB"}}
    level = memory_level("/pod/app", 512 * MIB, current_bytes=15 * MIB if age_seconds == 3600 else 10 * MIB, reclaimable_bytes=0)
    made = process_report(go_facts(**facts), memory=(level,), age_seconds=age_seconds)  # type: ignore[arg-type]
    report = Report(version="0.1.0", machine=made.snapshot.machine, processes=(made,), time="2026-11-23T12:00:00Z")
    assert said in " ".join(render_table(report).split())


@pytest.mark.parametrize(
    ("facts", "said", "short"),
    [
        ({"memory": 48 * MIB, "variables": {"GOMEMLIMIT": "48MiB"}}, "GOMEMLIMIT: no value is recommended, leave it as it is", "as it is"),
        ({}, "GOMEMLIMIT: leave it unset", "unset"),
        ({"memory": 512, "variables": {"GOMEMLIMIT": "512"}}, "unset GOMEMLIMIT", "unset"),
        ({"pinned": True, "variables": {"GOMAXPROCS": "4"}}, "GOMAXPROCS: no value is recommended, leave it as it is", "as it is"),
    ],
    ids=["small limit", "not set", "a finding says so", "no quota"],
)
def test_no_value_to_recommend_is_no_reason_to_unset(facts: dict[str, object], said: str, short: str) -> None:
    """Under 60 MiB a program lives with GOMEMLIMIT=48MiB and is killed without: what stands there is taken away by a finding alone."""
    made = process_report(go_facts(**{"procs": 4, **facts}), memory=(memory_level("/pod/app", 60 * MIB),))  # type: ignore[arg-type]
    made = made.replace(findings=judge_all(made, Policy()))
    report = Report(version="0.1.0", machine=made.snapshot.machine, processes=(made,), time="2026-11-23T12:00:00Z")
    assert said in " ".join(render_table(report).split())
    assert f"/ {short} " in render_ps(report)


def test_no_name_steers_a_terminal() -> None:
    """A program, a cgroup, a note and a kernel of any name: nothing but printable characters reaches the terminal or the JSON."""
    told = stories.report("v2-ancestor-tighter")
    (process,) = told.processes
    snapshot = process.snapshot
    levels = tuple(level.replace(path=f"/{HOSTILE}", directory=f"/c/{HOSTILE}") for level in snapshot.cpu_chain)
    memories = tuple(level.replace(path=f"/{HOSTILE}", directory=f"/c/{HOSTILE}") for level in snapshot.memory_chain)
    spoiled = snapshot.replace(
        machine=told.machine.replace(kernel=HOSTILE),
        process=snapshot.process.replace(command=HOSTILE, executable=f"/{HOSTILE}"),
        container=snapshot.container.replace(id=HOSTILE, pod_uid=HOSTILE),
        cpu_chain=levels,
        memory_chain=memories,
        notes=(Note(path=HOSTILE, why=HOSTILE),),
    )
    from cgtune.limits import enforce

    hostile = told.replace(machine=spoiled.machine, processes=(process.replace(snapshot=spoiled, limits=enforce(spoiled)),))
    table = render_table(hostile)
    assert all(line.isprintable() for line in table.split("\n"))
    assert "\\x1b[2J" in table
    text = render_json(hostile)
    assert text.isascii()
    said = json.loads(text)["processes"][0]
    for words in (
        said["command"],
        said["executable"],
        said["enforced"]["cpu"]["bound_by"],
        said["notes"][0]["why"],
        said["container"]["id"],
    ):
        assert words.isprintable()
        assert "\\x1b[2J\\x1b]0;owned\\x07\\x0d\\x0a\\x00\\x7f\\x9b31m\\u202eevil\\u2066\\xff\\U000e0041" in words


@given(st.text())
def test_escaped_text_is_printable_and_plain_text_is_untouched(text: str) -> None:
    """Every character that could do something is a code; every other is itself."""
    escaped = escape_control(text)
    assert escaped.isprintable()
    assert (escaped == text) == text.isprintable()


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain é 漢 🙂", "plain é 漢 🙂"),
        ("\n", "\\x0a"),
        ("\x1b", "\\x1b"),
        ("\x9b", "\\x9b"),
        ("\udce9", "\\xe9"),
        ("\u202e", "\\u202e"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
    ],
)
def test_codes(text: str, escaped: str) -> None:
    """Bytes that were no UTF-8 are shown as the bytes that they were."""
    assert escape_control(text) == escaped


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        *(("GOMEMLIMIT", 460 << 20, "460 MiB"), ("GOMEMLIMIT", 300_000_000, "300000000 B"), ("GOMEMLIMIT", "off", "off")),
        *(("GOMEMLIMIT", 3 << 29, "1536 MiB"), ("GOMAXPROCS", 300_000_000, "300000000")),
    ],
)
def test_a_memory_limit_has_a_unit(name: str, value: int | Literal["off"], text: str) -> None:
    """GOMEMLIMIT is shown exactly and with its unit, whatever it is a multiple of."""
    assert format_value(name, value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (268435456, "256 MiB"),
        (1 << 30, "1 GiB"),
        (3 << 40, "3 TiB"),
        (1 << 60, "1048576 TiB"),
    ],
)
def test_bytes_for_people(count: int, text: str) -> None:
    """In the largest unit that fits, exact where it is whole."""
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("cores", "text"), [(0.5, "0.5"), (2.0, "2"), (1 / 3, "0.333"), (10.0, "10"), (100.0, "100"), (0.0, "0"), (1.25, "1.25")]
)
def test_cores_for_people(cores: float, text: str) -> None:
    """As many digits as say something, and no zero of a whole number is lost."""
    assert format_cores(cores) == text


@pytest.mark.parametrize(
    ("cpus", "text"), [(set(), ""), ({0}, "0"), ({0, 1}, "0-1"), ({0, 2}, "0,2"), ({0, 1, 2, 8, 10, 11}, "0-2,8,10-11")]
)
def test_cpu_lists(cpus: set[int], text: str) -> None:
    """As the kernel writes them."""
    assert format_cpu_list(frozenset(cpus)) == text


def test_json_says_the_same_bytes_each_time(tmp_path: Path) -> None:
    """The same facts read twice are the same bytes: no order, time or number of the run gets in."""
    assert render_json(stories.report("k8s-burstable-systemd")) == render_json(stories.report("k8s-burstable-systemd"))


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=25)


PS_HEADERS = ("pid", "command", "container", "Go", "GOMAXPROCS\nnow / derived / set", "CPU\nlimit", "worst finding")


@given(st.lists(st.tuples(st.integers(1, 1 << 22).map(str), *[CELLS] * 6), min_size=1, max_size=4))
def test_a_table_is_laid_out_as_tabulate_does(rows: list[tuple[str, ...]]) -> None:
    """Made by hand for the sake of the start, it has the same bytes: with room beside the headers, and as if they were cells."""
    sides = "><<<<><"
    align = ["right" if side == ">" else "left" for side in sides]
    table = tabulate(rows, headers=PS_HEADERS, tablefmt="plain", colalign=align, disable_numparse=True)
    headers = [[name.partition("\n")[0] for name in PS_HEADERS], [name.partition("\n")[2] for name in PS_HEADERS]]
    assert lay_out(headers, rows, sides, HEADER_ROOM) == table.split("\n")
    table = tabulate([headers[0], *rows], tablefmt="plain", colalign=align, disable_numparse=True)
    assert lay_out(headers[:1], rows, sides, 0) == table.split("\n")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("\udc80", r"\x80"), ("\udcff", r"\xff"), ("\udc7f", r"\udc7f"), ("\ud800", r"\ud800"), ("\udfff", r"\udfff"), ("a\x1bé", "a\x1bé")],
)
def test_lone_surrogates_alone_are_escaped_for_json(text: str, escaped: str) -> None:
    """The first and the last byte that is not UTF-8, and the first and the last surrogate of all; everything else stays."""
    assert escape_bytes(text) == escaped


def _report_on(process: ProcessReport) -> Report:
    """A report on this one process, with its findings."""
    judged = process.replace(findings=judge_all(process, Policy()))
    return Report(version="0.1.0", time="2026-11-23T02:12:00Z", machine=process.snapshot.machine, processes=(judged,))


def test_a_line_of_ps_counts_the_runtimes_and_cuts_the_id() -> None:
    """Two runtimes of a process are one line, which says that there is one more; of a container's id the usual twelve digits."""
    one = process_report(go_facts())
    snapshot = one.snapshot.replace(container=Container(id="0123456789abcdef" * 4))
    for go, version in ((one.snapshot.go, "1.27.3"), (one.snapshot.go * 2, "1.27.3 (+1)"), (one.snapshot.go * 3, "1.27.3 (+2)")):
        line = render_ps(_report_on(one.replace(snapshot=snapshot.replace(go=go)))).splitlines()[2]
        assert re.split(r"  +", line.strip())[2:4] == ["0123456789ab", version]


def test_a_line_of_ps_says_what_is_not_known() -> None:
    """A program whose memory and environment are closed: a question mark for each value, and no number that nobody saw."""
    facts = go_facts()
    facts = facts.replace(settings=tuple(setting.replace(observed=None, derived=None, observed_from=None) for setting in facts.settings))
    line = render_ps(_report_on(process_report(facts))).splitlines()[2]
    assert [cell[:5] for cell in re.split(r"  +", line.strip())[4:6]] == ["? / ?", "? / ?"]


def test_a_file_is_named_to_code_scanning_by_its_whole_path() -> None:
    """A program that has no path, or one that does not begin at the root, has a logical place only."""
    one = process_report(go_facts(procs=8), cores=2.5)
    for executable, places in (("/app/a b", ["file:///app/a%20b"]), ("server", []), (None, [])):
        process = one.replace(snapshot=one.snapshot.replace(process=one.snapshot.process.replace(executable=executable)))
        verdict = judge_report(_report_on(process), fail_on="info", ignored=frozenset())
        results = json.loads(render_sarif(verdict))["runs"][0]["results"]
        assert results
        for result in results:
            (place,) = result["locations"]
            assert [each["artifactLocation"]["uri"] for name, each in place.items() if name == "physicalLocation"] == places


def test_junit_has_a_case_for_each_rule_that_was_asked() -> None:
    """Of a Go program all rules were; of another one, those alone that have something to say, and so no case of it passed."""
    other = process_report(None, cores=2.5, throttled=(500, 1000))
    go = process_report(go_facts(procs=8), cores=2.5)
    for process in (other, go):
        verdict = judge_report(_report_on(process), fail_on="info", ignored=frozenset())
        cases = len(verdict.rules) if process.snapshot.go else len({finding.rule for finding in verdict.report.processes[0].findings})
        assert cases > 0
        assert render_junit(verdict).count("<testcase ") == cases


def test_what_was_left_out_and_what_was_not_seen_ends_the_table() -> None:
    """The node's own programs are counted, and what could not be looked into is told with its reason."""
    one = process_report(go_facts())
    whole = _machine_report(one).replace(notes=(Note(path="/proc", why="1 process is closed"),), machinery=(one.snapshot.process,))
    words = " ".join(render_table(whole).split())
    assert words.endswith(f"not seen /proc: 1 process is closed {' '.join(machinery_words(whole.machinery).split())}")


@pytest.mark.parametrize(
    ("process", "words"),
    [
        (
            process_report(go_facts(minor=24, procs=7, procs_derived=5, variables={"GOMAXPROCS": "5"}), cores=2.0),
            "GOMAXPROCS: 3, in the program, which overrules the variable GOMEMLIMIT",
        ),
        (
            process_report(go_facts(minor=24, procs=2, procs_derived=5, variables={"GOMAXPROCS": "5"}), cores=2.0),
            "GOMAXPROCS: 2, in the program, which overrules the variable and has that value GOMEMLIMIT",
        ),
        (process_report(go_facts(dies="fatal error: no")), "dies at its next start: fatal error: no"),
        (process_report(memory=(memory_level("/a", 65 << 30),)), "more than the machine has: 64 GiB is what there is"),
        (process_report(memory=(memory_level("/a", 64 * MIB).replace(swap=ByteLimit(limit_bytes=8 * MIB)),)), "swap up to 8 MiB"),
        (process_report(memory=(memory_level("/a", None, high_bytes=9 * MIB),)), "slowed down from 9 MiB"),
    ],
    ids=["overruled", "overruled and right", "dies", "more than there is", "swap", "high alone"],
)
def test_lines_of_the_table(process: ProcessReport, words: str) -> None:
    """Each of these facts has words of its own."""
    assert words in " ".join(render_table(_machine_report(process)).split())


_FIVE = {"GOMAXPROCS": "5"}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"minor": 19, "procs": 1, "procs_derived": 8, "modules": {AUTOMAXPROCS: "v1.6.0"}},
            "1, derived 8; set in the program, which links automaxprocs",
        ),
        ({"minor": 19, "procs": 1, "procs_derived": 8}, "1, derived 8; set in the program"),
        ({"minor": 27, "procs": 1, "procs_derived": 8, "pinned": True}, "1, derived 8; set in the program"),
        ({"minor": 19, "procs": 8, "procs_derived": 5, "variables": _FIVE}, "8, derived 5; set in the program"),
        ({"minor": 19, "procs": 8, "procs_derived": 2}, "8, derived 2"),
        ({"minor": 19, "procs": 1, "procs_derived": 8, "cpus_at_start": None}, "1, derived 8"),
        ({"minor": 27, "procs": 1, "procs_derived": 8}, "1, derived 8"),
        ({"minor": 27, "procs": 1, "procs_derived": 8, "pinned": None}, "1, derived 8"),
        ({"minor": 19, "procs": 1, "procs_derived": 8, "in_library": True}, "1, derived 8"),
        ({"minor": 19, "procs": 5, "variables": _FIVE}, "5, derived 5"),
    ],
    ids=[
        "automaxprocs",
        "before 1.25: not the CPUs of its start",
        "from 1.25 on: pinned, not by a variable",
        "not by its variable",
        "before 1.25: other CPUs since",
        "its CPUs at the start not known",
        "has not followed yet",
        "pinned or not, not known",
        "a library, loaded later",
        "by its variable",
    ],
)
def test_who_set_what_nothing_outside_explains(facts: dict[str, object], said: str) -> None:
    """If GOMAXPROCS is neither what the environment gives nor what Go comes to, the program set it: the line says so, never on a guess."""
    words = " ".join(render_table(_machine_report(process_report(go_facts(**facts)))).split())  # type: ignore[arg-type]
    shown = words.replace(" (read from memory)", "")
    assert f"GOMAXPROCS now {said} GOMEMLIMIT" in shown


def test_a_garbage_collector_that_the_program_set() -> None:
    """VictoriaMetrics takes GOGC 30 by a call, and no rule speaks of that."""
    one = go_facts(gogc=30)
    gogc = one.settings[2].replace(derived=100)
    words = " ".join(render_table(_machine_report(process_report(one.replace(settings=(*one.settings[:2], gogc))))).split())
    assert "GOGC now 30 (read from memory), derived 100; set in the program program " in words


@pytest.mark.parametrize(
    ("kind", "words"), [("emulated", "a program for another processor, under an emulator"), ("other", "no Go program")]
)
def test_a_process_without_a_go_runtime(kind: Kind, words: str) -> None:
    """What it is instead is told."""
    one = process_report()
    process = one.replace(snapshot=one.snapshot.replace(kind=kind))
    assert words in " ".join(render_table(_machine_report(process)).split())


def test_a_pressure_that_says_nothing_is_unknown() -> None:
    """A pressure file without its lines is no pressure of 0."""
    one = process_report()
    pressure = Pressure(scope="cgroup", file="/a/cpu.pressure", some=None, full=None)
    process = one.replace(snapshot=one.snapshot.replace(cpu_pressure=pressure))
    assert "CPU pressure unknown" in render_table(_machine_report(process))
