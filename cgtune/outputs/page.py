"""The report as one page for a browser: whole in one file, without a network and without a framework, for the service and for a ticket.

Processes by harm. Each opens to its numbers, its memory as a bar, its plots if somebody kept looking, and its findings with what to do.
"""

from __future__ import annotations

from cgtune.model import HARMS
from cgtune.outputs.drawings import draw_memory, draw_tracks
from cgtune.outputs.escape import escape_markup
from cgtune.outputs.pageparts import SCRIPT, STYLE, page_policy, write_page
from cgtune.outputs.pagewords import render_badge, render_finding, render_list
from cgtune.outputs.rates import used_texts
from cgtune.outputs.words import (
    end_words,
    format_bytes,
    format_setting,
    machinery_words,
    note_words,
    subject,
    urgency,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cgtune.model import Finding, ProcessReport, Report, Track

_UNKNOWN = "not known"


def render_html(report: Report) -> str:
    """The report as a file of its own."""
    return render_page(report)


def render_page(
    report: Report,
    tracks: Mapping[int, Sequence[Track]] | None = None,
    *,
    links: Sequence[str] = (),
    problem: str | None = None,
    refresh_seconds: float | None = None,
) -> str:
    """The page. ``tracks`` are what a service has seen over time, by pid; ``links`` its other pages; ``problem`` why the report is not to
    be relied on. With ``refresh_seconds`` the page fetches itself anew so often.
    """
    processes = sorted(report.processes, key=urgency)
    refresh = "" if refresh_seconds is None else f' data-refresh="{refresh_seconds:g}"'
    again = (
        "" if refresh_seconds is None else f'<noscript><meta http-equiv="refresh" content="{max(1, round(refresh_seconds))}"></noscript>\n'
    )
    lost = (
        ""
        if refresh_seconds is None
        else '<p class="problem" id="lost" hidden>The service does not answer: this is what it said last.</p>\n'
    )
    body = "".join(
        [
            _head(report, links),
            "" if problem is None else f'<p class="problem" role="alert">{escape_markup(problem)}</p>\n',
            f'<p class="state">{escape_markup(_state(report))}</p>\n',
            *(_process(process, (tracks or {}).get(process.snapshot.process.pid, ()), index) for index, process in enumerate(processes)),
            render_list("Not seen", [f"{note.path}: {note_words(note)}" for note in report.notes]),
            f"<footer>{escape_markup(machinery_words(report.machinery))}</footer>\n" if report.machinery else "",
        ]
    )
    return write_page(f"cgtune: {_state(report)}", body, STYLE, SCRIPT, head=again, refresh=refresh, above=lost)


def policy() -> str:
    """The page's Content-Security-Policy."""
    return page_policy(STYLE, SCRIPT)


def _state(report: Report) -> str:
    """Whether it hurts, in a line: `2 processes hurt now, 1 may hurt, of 7`."""
    harms = [min((finding.urgency[0] for finding in process.findings), default=len(HARMS)) for process in report.processes]
    counts = [(harms.count(index), harm) for index, harm in enumerate(HARMS)]
    verbs = {"now": ("hurts now", "hurt now"), "earlier": ("hurt earlier",) * 2, "possible": ("may hurt",) * 2}
    said = [f"{count} {verbs[harm][count > 1]}" for count, harm in counts if count]
    whole = f"{len(harms)} process{'es' * (len(harms) != 1)}"
    return f"{', '.join(said)}, of {whole}" if said else f"nothing found on {whole}"


def _head(report: Report, links: Sequence[str]) -> str:
    machine = report.machine
    memory = "memory unknown" if machine.memory_bytes is None else format_bytes(machine.memory_bytes)
    cpus = f"{len(machine.online)} CPU{'s' * (len(machine.online) != 1)}"
    facts = f"{cpus}, {memory}, cgroup {machine.cgroup_mode}, Linux {machine.kernel or 'unknown'}"
    there = " · ".join(f'<a href="{link}">{link}</a>' for link in links)
    return (
        f"<header>\n<h1>cgtune {escape_markup(report.version)}</h1>\n"
        f'<p><time datetime="{escape_markup(report.time)}">{escape_markup(report.time)}</time> · {escape_markup(facts)}</p>\n'
        + (f"<p>{there}</p>\n" if there else "")
        + "</header>\n"
    )


def _process(process: ProcessReport, tracks: Sequence[Track], index: int) -> str:
    pid = process.snapshot.process.pid
    first = process.findings[0] if process.findings else None
    badge = f'<span class="badge fine">{"nothing found"}</span>' if first is None else render_badge(first)
    said = "" if first is None else _first_lines(first)
    container = process.snapshot.container
    names = "/".join(name for name in (container.pod_namespace, container.pod_name, container.name) if name) or (container.id or "")[:12]
    where = f" · {escape_markup(names)}" if names else ""
    opened = " open" if index == 0 and first is not None else ""
    return "".join(
        [
            f'<details class="process" id="p{pid}"{opened}>\n',
            f'<summary>{badge}<span class="name">{escape_markup(subject(process))}</span>{where}{said}</summary>\n',
            '<div class="inside">\n',
            *(render_finding(finding) for finding in process.findings),
            _paste(process),
            _numbers(process),
            render_list("Used", [text for text, _ in used_texts(process)]),
            draw_memory(process),
            draw_tracks(tracks, process.limits.memory.limit_bytes, process.limits.cpu.limit_cores),
            render_list("Not seen", [f"{note.path}: {note_words(note)}" for note in process.notes]),
            "</div>\n</details>\n",
        ]
    )


def _first_lines(finding: Finding) -> str:
    """What it is, and what would end it if it was felt."""
    end = end_words(finding)
    said = f'<span class="first">{escape_markup(finding.summary)} ({escape_markup(finding.rule)})</span>'
    return f'{said}<span class="first end">do: {escape_markup(end)}</span>' if end else said


def _paste(process: ProcessReport) -> str:
    lines = [f"export {each.name}={format_setting(each)}" for each in process.recommendations if each.set and not each.overruled]
    if not lines:
        return ""
    name = f"set{process.snapshot.process.pid}"
    text = escape_markup("\n".join(lines)).replace("\\x0a", "\n")
    return f'<h3>Set</h3>\n<div class="copy"><pre id="{name}">{text}</pre><button type="button" data-copy="{name}">Copy</button></div>\n'


def _numbers(process: ProcessReport) -> str:
    """The three witnesses side by side, and the recommendation: a row for each setting of each runtime."""
    advised = {each.name: each for each in process.recommendations}
    enforced = {"GOMAXPROCS": _cpu_words(process), "GOMEMLIMIT": _memory_words(process)}
    rows = []
    for facts in process.snapshot.go:
        for setting in facts.settings:
            wanted = advised.get(setting.name)
            cells = (
                setting.name,
                enforced.get(setting.name, ""),
                _value(setting.name, setting.derived),
                _value(setting.name, setting.observed),
                "" if wanted is None else format_setting(wanted),
            )
            rows.append(f"<tr>{''.join(f'<td>{escape_markup(cell)}</td>' for cell in cells)}</tr>")
    if not rows:
        rows = [
            f"<tr><td>{name}</td><td>{escape_markup(text)}</td></tr>"
            for name, text in (("CPU", _cpu_words(process)), ("memory", _memory_words(process)))
        ]
        return f'<h3>Enforced</h3>\n<div class="scroll"><table><tbody>{"".join(rows)}</tbody></table></div>\n'
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "enforced", "derived by Go", "now", "recommended"))
    return f'<h3>Numbers</h3>\n<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>\n'


def _value(name: str, value: int | str | None) -> str:
    if value is None:
        return _UNKNOWN
    return format_bytes(value) if name == "GOMEMLIMIT" and isinstance(value, int) else str(value)


def _cpu_words(process: ProcessReport) -> str:
    limits = process.limits.cpu
    usable = f"{len(limits.usable)} CPU{'s' * (len(limits.usable) != 1)}"
    if limits.limit_cores is not None:
        return f"{limits.limit_cores:g} of {usable}"
    return f"{usable}, no quota is seen" if limits.unseen is not None or process.unread_quotas else f"{usable}, no quota"


def _memory_words(process: ProcessReport) -> str:
    limits = process.limits.memory
    if limits.limit_bytes is not None:
        return format_bytes(limits.limit_bytes)
    return "no limit is seen" if limits.unseen is not None or process.unread_memory_limits else "no limit"
