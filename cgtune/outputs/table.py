"""The report for a person at 3 a.m.: the verdict first, then the chain, then use, then what could not be seen."""

from __future__ import annotations

from cgtune.outputs.enforced import cpu_lines, memory_lines, usable_lines
from cgtune.outputs.escape import escape_control
from cgtune.outputs.layout import PLAIN, Sheet, cgroup_paths
from cgtune.outputs.levels import chain_lines
from cgtune.outputs.usage import use_lines
from cgtune.outputs.words import (
    container_words,
    felt_words,
    format_bytes,
    format_live,
    format_setting,
    format_value,
    is_felt,
    is_set_without_advice,
    machinery_words,
    note_words,
    other_words,
    present_value,
    urgency,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.model import Advice, Finding, GoFacts, Note, ProcessReport, Recommendation, Report
    from cgtune.outputs.layout import Layout

#: From so many processes on each has three lines, unless more is asked for.
MANY = 4


def render_table(report: Report, layout: Layout = PLAIN) -> str:
    """The whole report as text that ends in a newline. Colours add terminal codes and change nothing else; a verbose layout adds
    the steps by which each value was derived, whole paths, and facts that say nothing.
    """
    sheet = Sheet(layout)
    machine = report.machine
    memory = format_bytes(machine.memory_bytes) if machine.memory_bytes is not None else "memory unknown"
    online = "1 CPU" if len(machine.online) == 1 else f"{len(machine.online)} CPUs"
    facts = f"{online}, {memory}, cgroup {machine.cgroup_mode}, Linux {escape_control(machine.kernel or 'unknown')}"
    lines = [layout.style("faint", f"cgtune {report.version}, {report.time}")]
    lines += [layout.style("faint", line.strip()) for line in sheet.wrapped("", facts)]
    is_brief = layout.brief if layout.brief is not None else len(report.processes) >= MANY and not layout.verbose
    for process in sorted(report.processes, key=urgency):
        lines.append("")
        if is_brief:
            from cgtune.outputs.brief import brief_lines

            lines.extend(brief_lines(process, layout))
        else:
            lines.extend(_process_lines(Sheet(layout, cgroup_paths(process.snapshot)), process))
    if is_brief:
        lines += ["", *(line.strip() for line in sheet.wrapped("", "three lines each; --full says all of each process, --pid PID of one"))]
    for note in report.notes:
        lines += ["", *sheet.wrapped("not seen", _note_text(note))]
    if report.machinery:
        lines += ["", *sheet.wrapped("", machinery_words(report.machinery))]
    return "\n".join(lines) + "\n"


def _has(report: ProcessReport, recommendation: Recommendation) -> bool:
    """Whether each of its runtimes has the recommended value."""
    settings = [setting for facts in report.snapshot.go for setting in facts.settings if setting.name == recommendation.name]
    return all(setting.observed == recommendation.value for setting in settings)


def _process_lines(sheet: Sheet, report: ProcessReport) -> Iterator[str]:
    process = report.snapshot.process
    title = f"{process.pid} {escape_control(process.command)}" + " (cgtune itself, for this container)" * process.is_self
    yield sheet.style("strong", title)
    for finding in report.findings:
        yield from _finding_lines(sheet, finding)
    yield from _paste_lines(sheet, report)
    yield from cpu_lines(sheet, report)
    yield from memory_lines(sheet, report)
    for facts in report.snapshot.go:
        yield from _go_lines(sheet, facts)
    if not report.snapshot.go and report.snapshot.kind is not None and not process.is_self:
        yield from sheet.wrapped("runtime", other_words(report.snapshot.kind))
    yield from usable_lines(sheet, report)
    if process.executable:
        yield sheet.labelled("program", escape_control(process.executable))
    if names := container_words(report.snapshot.container):
        yield from sheet.wrapped("container", names)
    # What the machine itself is matters to whom it hides the cgroups
    is_blind = sheet.layout.verbose or not report.snapshot.cpu_chain
    if shown := tuple(platform for platform in report.snapshot.platforms if is_blind or not platform.is_machine):
        from cgtune.outputs.platforms import platform_lines

        yield from platform_lines(sheet, shown)
    yield from chain_lines(sheet, report.snapshot)
    yield ""
    yield from use_lines(sheet, report)
    for index, note in enumerate(report.notes):
        yield from sheet.wrapped("" if index else "not seen", _note_text(note))


def _finding_lines(sheet: Sheet, finding: Finding) -> Iterator[str]:
    first, *rest = sheet.wrapped(finding.severity, f"{felt_words(finding)}{escape_control(finding.summary)} ({finding.rule})")
    yield sheet.style(finding.severity, first)
    yield from rest
    seen = [(escape_control(line), "- ") for line in finding.evidence]
    acts = [(_act_text(advice), "> ") for advice in finding.advice]
    # Who is hurt looks for the end of it first
    for text, mark in (*acts, *seen) if is_felt(finding) else (*seen, *acts):
        yield from sheet.wrapped("", text, mark)


def _act_text(advice: Advice) -> str:
    if advice.variable is None:
        act = ""
    else:
        act = f"unset {advice.variable}: " if advice.value is None else f"{advice.variable}={escape_control(advice.value)}: "
    return f"{act}{escape_control(advice.reason)}"


def _paste_lines(sheet: Sheet, report: ProcessReport) -> Iterator[str]:
    """The recommended environment, as a shell takes it; a variable that is best left alone is said to be so."""
    label = "set"
    for recommendation in report.recommendations:
        name = recommendation.name
        if recommendation.overruled:
            text = f"{name}: {format_setting(recommendation)}, in the program, which overrules the variable"
            text += " and has that value" * _has(report, recommendation)
        elif recommendation.set:
            text = sheet.style("strong", f"export {name}={format_setting(recommendation)}")
        elif is_set_without_advice(report, recommendation):
            text = f"{name}: no value is recommended, leave it as it is"
        elif present_value(report, name):
            text = sheet.style("strong", f"unset {name}")
        else:
            text = f"{name}: leave it unset"
        yield from sheet.wrapped(label, text)
        doubts = (f"{recommendation.doubt}, so more is kept free than later",) if recommendation.set and recommendation.doubt else ()
        for reason in recommendation.because if sheet.layout.verbose else doubts:
            yield from sheet.wrapped("", escape_control(reason), "- ")
        label = ""


def _go_lines(sheet: Sheet, facts: GoFacts) -> Iterator[str]:
    what = facts.program.name + (f", {facts.program.main_module}" if facts.program.main_module else "")
    if facts.program.emulator is not None:
        what += f", under {facts.program.emulator}"
    if facts.derived.aware is False:
        what += ", does not look at its CPU quota"
    yield from sheet.wrapped("runtime", escape_control(what))
    for setting in facts.settings:
        observed = "unknown" if setting.observed is None else format_value(setting.name, setting.observed)
        derived = "unknown" if setting.derived is None else format_value(setting.name, setting.derived)
        read_from = f" (read from {setting.observed_from})" if setting.observed_from else ""
        who = _say_inside(facts, setting.name) if facts.is_set_inside(setting.name) else ""
        yield from sheet.wrapped(setting.name, sheet.style("strong", f"now {observed}") + f"{read_from}, derived {derived}{who}")
        for step in setting.because if sheet.layout.verbose else ():
            yield from sheet.wrapped("", escape_control(step), "- ")
    for label, text in format_live(facts.observed):
        yield from sheet.wrapped(label, text)
    if facts.derived.dies:
        for line in sheet.wrapped("", f"dies at its next start: {escape_control(facts.derived.dies)}"):
            yield sheet.style("alarm", line)


def _say_inside(facts: GoFacts, name: str) -> str:
    """Who set what differs from what was derived."""
    library = facts.program.procs_library if name == "GOMAXPROCS" else ""
    return f"; set in the program{f', which links {library}' if library else ''}"


def _note_text(note: Note) -> str:
    return escape_control(f"{note.path}: {note_words(note)}")
