"""The page for a browser, as text: what is in it, that it is closed to all that is not its own, and that foreign text stays text."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import given, strategies as st

from cgtune.model import Advice, Finding, Note, ProcessReport, Report, Track
from cgtune.outputs.drawings import draw_memory
from cgtune.outputs.escape import escape_markup
from cgtune.outputs.page import policy, render_html, render_page
from tests.rules.reports import MIB, go_facts, memory_level, report as process_report

VOID = {"meta", "rect", "line", "path", "polyline", "br"}


class _Reader(HTMLParser):
    """All tags with their attributes, and whether they are closed in the order in which they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _finding(text: str = "too many threads", **more: object) -> Finding:
    advice = Advice(variable="GOMAXPROCS", value="2", reason=text)
    finding = Finding(rule="cpu-throttled", severity="warning", summary=text, evidence=(text,), advice=(advice,))
    return finding.replace(**more)


def _report(*findings: Finding, name: str = "server", **of_process: object) -> Report:
    made: ProcessReport = process_report(go_facts(heap_live_bytes=60 * MIB, mapped_bytes=100 * MIB, memory=200 * MIB), **of_process)  # type: ignore[arg-type]
    identity = made.snapshot.process.replace(command=name, executable=f"/app/{name}")
    container = made.snapshot.container.replace(name=name, pod_name=name)
    made = made.replace(snapshot=made.snapshot.replace(process=identity, container=container), findings=findings)
    note = Note(path=f"/proc/{name}", why=f"closed {name}")
    return Report(version="0.1.0", time="2026-11-23T02:12:00Z", machine=made.snapshot.machine, processes=(made,), notes=(note,))


def test_it_begins_with_whether_it_hurts() -> None:
    """In the title, which a browser's tab shows, and above all processes."""
    hurts = _report(_finding(harm="now"), _finding(harm="possible", severity="critical"))
    assert "<title>cgtune: 1 hurts now, of 1 process</title>" in render_html(hurts)
    two = hurts.replace(processes=hurts.processes * 2)
    assert "<title>cgtune: 2 hurt now, of 2 processes</title>" in render_html(two)
    assert "<title>cgtune: nothing found on 1 process</title>" in render_html(_report())


def test_a_harm_that_was_felt_has_its_end_beside_it() -> None:
    """A process that is not opened says what would end it; what may hurt is no reason to hurry."""
    for harm, said in (("now", True), ("earlier", True), ("possible", False)):
        summary = re.search("<summary>(.*)</summary>", render_html(_report(_finding("the reason", harm=harm))))
        assert summary is not None
        assert ('<span class="first end">do: set GOMAXPROCS=2: the reason</span>' in summary[1]) == said


def test_the_worst_process_stands_first_and_is_open() -> None:
    """The others are a click away."""
    worst = _report(_finding("that is it", harm="now")).processes[0]
    fine, may = _report().processes[0], _report(_finding("perhaps", severity="critical")).processes[0]
    text = render_html(_report().replace(processes=(fine, may, worst)))
    assert re.findall(r'<details class="process" id="p42"( open)?>', text) == [" open", "", ""]
    assert text.index("that is it") < text.index("perhaps") < text.index("nothing found</span>")


def test_all_of_a_process_is_there() -> None:
    """Findings with what to do, lines to copy, the three numbers, memory in its parts, and what was not seen."""
    level = memory_level("/pod/app", 256 * MIB, current_bytes=128 * MIB, reclaimable_bytes=8 * MIB)
    text = render_html(_report(_finding("the reason"), cores=0.5, memory=(level,)))
    words = " ".join(_Reader(text).words)
    for expected in (
        "set GOMAXPROCS=2: the reason",
        "enforced",
        "derived by Go",
        "0.5 of 8 CPUs",
        "256 MiB",
        "live heap 60 MiB",
        "Not seen",
    ):
        assert expected in words
    assert "the rest of Go's memory 40 MiB" in words
    assert "not Go's, at least 20 MiB" in words
    assert "GOMEMLIMIT 200 MiB" in words


def test_only_its_own_style_and_script_may_run() -> None:
    """The policy names both by what they are; there are no handlers, no inline styles and nothing to load in the page."""
    text = render_page(_report(_finding()), links=["/metrics"], refresh_seconds=15)
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert f"{tag}-src 'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'" in policy()
    assert "default-src 'none'" in policy()
    assert "unsafe" not in policy()
    for tag, attributes in _Reader(text).seen:
        assert tag not in ("link", "img", "iframe", "object", "form", "base")
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src", "srcset", "action")]
        assert attributes.get("href", "/metrics") == "/metrics"


HOSTILE = [
    "</style><script>alert(1)</script>",
    "\" onmouseover=alert(1) x='",
    "<!--",
    "]]>&lt;&#0;",
    "\x1b[31m\u202e\udcff\x00",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_foreign_text_stays_text(name: str) -> None:
    """Whatever a command, a container, a note or a finding is called, the page has the tags of an honest one."""
    honest, hostile = (_Reader(render_html(_report(_finding(text), name=text))) for text in ("honest", name))
    assert [tag for tag, _ in hostile.seen] == [tag for tag, _ in honest.seen]
    assert [set(attributes) for _, attributes in hostile.seen] == [set(attributes) for _, attributes in honest.seen]


@given(st.text(st.characters()))
def test_escaped_text_has_no_markup(text: str) -> None:
    """None of the letters of markup, nothing that steers a terminal, and it reads as the text when a browser takes it."""
    escaped = escape_markup(text)
    assert not set(escaped) & set("<>\"'")
    assert escaped.isprintable()
    assert re.sub(r"&(amp|lt|gt|quot|#39);", "", escaped).count("&") == 0


def test_text_that_looks_escaped_is_shown_as_it_is() -> None:
    """A program that is called `&lt;b&gt;` is shown by that name, and not as `<b>`."""
    assert escape_markup("&lt;b&gt;") == "&amp;lt;b&amp;gt;"


def test_numbers_over_time_are_drawn() -> None:
    """Shares against the whole, bytes against the limit; a day only if there is more of it than the last minutes."""
    shares = Track(name="throttled", recent=((10.0, 0.0), (0.0, 50.0)), day=((0.0, 50.0),))
    sizes = Track(name="memory", recent=((0.0, float(64 * MIB)),), day=((3600.0, float(MIB)), (1800.0, float(MIB)), (0.0, float(MIB))))
    level = memory_level("/pod/app", 256 * MIB, current_bytes=64 * MIB, reclaimable_bytes=0)
    cores = Track(name="cpu-used", recent=((10.0, 0.1), (0.0, 0.25)), day=())
    text = render_page(_report(memory=(level,), cores=0.5), {42: (shares, sizes, cores)})
    assert re.findall(r'points="([^"]*)"', text)[0] == "290.0,60.0 300.0,30.0"
    captions = re.findall(r"<figcaption>([^<]*)</figcaption>", text)
    assert [caption.split(":")[0] for caption in captions] == [
        "throttled, share of the quota's periods",
        "memory in use",
        "memory in use",
        "CPU used",
    ]
    assert captions[0].endswith("50 %, at most 50 % in the last five minutes")
    assert captions[1].endswith("64 MiB, at most 64 MiB in the last five minutes; the top is the limit, 256 MiB")
    assert captions[3].endswith("0.25 CPUs, at most 0.25 CPUs in the last five minutes; the top is the quota, 0.5 CPUs")
    assert re.findall(r'points="([^"]*)"', text)[3] == "290.0,48.0 300.0,30.0"


def test_a_value_that_is_set_elsewhere_is_no_line_to_copy() -> None:
    """A program that overrules its variable is told which value is right, and no `export` that would change nothing."""
    facts = go_facts(minor=24, procs=7, procs_derived=5, variables={"GOMAXPROCS": "5"})
    text = render_html(_report().replace(processes=(process_report(facts, cores=2.0),)))
    assert "<td>7</td><td>3</td>" in text
    assert "export GOMAXPROCS" not in text
    unset = render_html(_report().replace(processes=(process_report(go_facts(minor=24, procs=7, procs_derived=8), cores=2.0),)))
    assert "export GOMAXPROCS=3" in unset


def test_a_value_that_was_not_read_is_not_known() -> None:
    """Neither by derivation nor from memory: the cell says so."""
    facts = go_facts(minor=24, procs=None, memory=None, gogc=None)
    text = render_html(_report().replace(processes=(process_report(facts, cores=2.0),)))
    assert text.count("<td>not known</td><td>not known</td>") == 3


@pytest.mark.parametrize("is_seen", [True, False])
def test_a_limit_that_could_not_be_read_is_not_told_to_be_none(is_seen: bool) -> None:
    """Without a limit in sight and with a file that was refused, none is seen: that is not the same as that there is none."""
    made = process_report(go_facts(), memory=(memory_level("/pod/app", None),))
    notes = (
        () if is_seen else tuple(Note(path=f"/sys/fs/cgroup/pod/app/{name}.max", why="denied", kind="failed") for name in ("memory", "cpu"))
    )
    text = render_html(_report().replace(processes=(made.replace(snapshot=made.snapshot.replace(notes=notes)),)))
    assert ("no limit is seen" in text, "no quota is seen" in text) == (not is_seen, not is_seen)
    assert ("<td>no limit</td>" in text, "8 CPUs, no quota</td>" in text) == (is_seen, is_seen)


def test_memory_that_nobody_counts_is_not_drawn() -> None:
    """Without a memory controller, or a counter of what is charged, there is no bar; the page stands without it."""
    for memory in ((), (memory_level("/pod/app", 8 * MIB, current_bytes=None),)):
        made = process_report(go_facts(), memory=memory)
        assert draw_memory(made) == ""
        assert "Memory of" not in render_html(_report().replace(processes=(made,)))


def test_why_it_is_not_to_be_relied_on_stands_above() -> None:
    """A report that is old, or of a machine that could not be looked into, says so first."""
    text = render_page(_report(), problem="the report is 99 s old <")
    assert '<p class="problem" role="alert">the report is 99 s old &lt;</p>' in text
    assert "data-refresh" not in text


def test_the_name_of_a_cgroup_is_text() -> None:
    """Whoever may make a cgroup chooses its name; the bar's whole is all that is drawn in it."""
    level = memory_level("/<b>x", 8 * MIB, current_bytes=16 * MIB, reclaimable_bytes=0)
    drawn = draw_memory(process_report(go_facts(), memory=(level,)))
    assert "/&lt;b&gt;x" in drawn
    assert "<b>" not in drawn
    assert 'width="2000' not in drawn
