"""Workloads judged: by the rules for processes, as if they ran, and by those for manifests. Pure.

A finding stands at the wrong value: at the value of a variable, or at its name if Kubernetes fills it in; at the limit that a variable
lacks; else at the container's name. If the text of the file is at hand, it comes with the edits that mend it.
"""

from __future__ import annotations

from cgtune.advice.injected import MARK, is_marked
from cgtune.lint.habits import says_own_limit
from cgtune.lint.hints import say_hint
from cgtune.lint.mending import drop_shared, mend
from cgtune.lint.route import ROUTE_RULES, route
from cgtune.lint.rules import ANY_CONTAINER, MANIFEST_RULES, SILENCES
from cgtune.lint.rules.case import GO_VARIABLES, LintCase
from cgtune.manifests.workload import Skipped
from cgtune.model import Advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.lint.model import Go, LintFinding, Settings
    from cgtune.lint.route import Routed
    from cgtune.manifests.workload import Place, Workload
    from cgtune.model import Finding, Severity
    from cgtune.rulebook import AnyRule

    #: A container, and which Go it runs; None: nothing says that it runs Go.
    Judged = tuple[Workload, Go | None]

#: The rules of a manifest, in the order of a list.
LINT_RULES: tuple[AnyRule, ...] = (*ROUTE_RULES, *MANIFEST_RULES)

#: What a rule for processes speaks of: the variable, or the limit that lacks one.
_SPEAKS_OF = {
    **{rule.ID: rule.ID.partition("-")[0].upper() for rule in ROUTE_RULES if rule.ID.startswith(("gomaxprocs-", "gomemlimit-", "gogc-"))},
    "gc-off-without-limit": "GOGC",
    "godebug-removed-setting": "GODEBUG",
    "awareness-disabled-by-env": "GODEBUG",
    "updates-disabled": "GODEBUG",
}
_OF_MEMORY = ("memory-limit-too-small", "gomemlimit-unset", "gomemlimit-too-small")

#: True, and of little use if nothing was measured: shown only if asked for.
_PEDANTIC = ("gomaxprocs-pinned", "fractional-quota", "whole-quota-no-slack", "quota-below-two-cpus", "gomaxprocs-below-quota")


def judge_file(judged: Sequence[Judged], settings: Settings, text: str | None = None) -> tuple[LintFinding, ...]:
    """All findings on the containers of one file, or of some of its documents, by line. ``text`` is the file's, as it was read; without it
    no fix is made.
    """
    by_document: dict[int, list[Judged]] = {}
    for one in judged:
        by_document.setdefault(one[0].document.start, []).append(one)
    found = [finding for group in by_document.values() for finding in _judge_document(group, settings, text)]
    return tuple(sorted(found, key=lambda finding: (finding.place.file, finding.place.line, finding.place.column)))


def _judge_document(judged: Sequence[Judged], settings: Settings, text: str | None) -> list[LintFinding]:
    workloads = [workload for workload, _ in judged]
    found: list[LintFinding] = []
    for workload, go in judged:
        mates = tuple(other for other in workloads if other is not workload and _is_mate(other, workload))
        found += judge_workload(workload, go, settings, text=text, mates=mates)
    return found if text is None else drop_shared(found, workloads, text)


def judge_workload(
    workload: Workload, go: Go | None, settings: Settings, *, text: str | None = None, mates: tuple[Workload, ...] = ()
) -> tuple[LintFinding, ...]:
    """The findings on one container; ``mates`` are the others that run beside it in its pod. What is ignored, and what is pedantic unless
    it is asked for, is left out.
    """
    found: list[LintFinding] = []
    recommended, routed = ((), ()) if go is None else route(LintCase(workload, go, settings))
    case = LintCase(workload, go, settings, text=text, mates=mates, recommended=recommended)
    found += [_place_routed(case, one) for one in routed]
    found += _doubt_collections(case)
    for rule in MANIFEST_RULES:
        if go is not None or rule.ID in ANY_CONTAINER:
            found += rule.judge(case)
    there = {finding.rule for finding in found}
    silent = {symptom for cause in there for symptom in SILENCES.get(cause, ())} | settings.ignored
    shown = [one for one in found if one.rule not in silent and (settings.is_pedantic or not one.is_pedantic)]
    shown = [_tell_policy(workload, one) for one in shown]
    if workload.source is not None or workload.place.file in _STREAMS:
        shown = [one.replace(fix=None, hint=say_hint(case, one)) for one in shown]
    return tuple(shown)


def _tell_policy(workload: Workload, finding: LintFinding) -> LintFinding:
    """The finding, with a word if it is about a value that cgtune policy has set: the pod's template does not have it."""
    mark = next((one.value for one in workload.annotations if one.name == MARK), "")
    for name in ("GOMAXPROCS", "GOMEMLIMIT"):
        there = workload.variable(name)
        if there is None or there.value is None or not is_marked(mark, workload.container, name, there.value):
            continue
        if finding.place in (there.place, there.name_place) or any(one.variable == name for one in finding.advice):
            word = f"{name}={there.value} was set by cgtune policy when the pod was made ({MARK}): its template need not have it"
            return finding.replace(evidence=(*finding.evidence, word))
    return finding


#: How a manifest that came by a pipe is named: there is no file to mend.
_STREAMS = ("-", "<stdin>")


def say_unseen(workload: Workload, go: Go | None) -> tuple[Skipped, ...]:
    """What of a container was not judged, as nobody knows its value before it runs."""
    if go is None:
        return ()
    whose = f"{workload.subject}, container {workload.container}"
    return tuple(
        Skipped(file=workload.place.file, line=workload.place.line, why=f"{whose}: {why}", source=workload.source)
        for why in _unseen(workload, go)
    )


def _unseen(workload: Workload, go: Go | None) -> tuple[str, ...]:
    """Why the version of Go or the value of one of its variables is not known, in words."""
    says = [f"which Go it runs could not be told: {go.known_from}"] if go is not None and go.is_unread else []
    says += [
        f"the value of {one.name} (line {one.place.line}) could not be seen: {one.unknown or 'it is not known before it runs'}"
        for one in workload.variables
        if one.name in GO_VARIABLES and one.value is None and one.wrong_type is None and (one.field is None or one.field.falls_to != "node")
    ]
    says += [f"variables could not be seen: {source}" for source in workload.unread_variables]
    for name in GO_VARIABLES:
        if workload.variable(name) is None and any(name in word for word in workload.command):
            says.append(f"its command mentions {name}: what a shell makes of it could not be seen")
    says += [f"{flaw.what}: {flaw.detail}" for flaw in workload.flaws if flaw.cause == "unread"]
    limits = (workload.cpu_limit, workload.memory_limit, workload.pod_cpu_limit, workload.pod_memory_limit)
    says += [f"the limit {one.written} (line {one.place.line}) could not be seen: {one.unknown}" for one in limits if one and one.unknown]
    return tuple(says)


def _is_mate(one: Workload, other: Workload) -> bool:
    """Whether two containers of one document run side by side in one pod."""
    together = ("container", "sidecar", "service")
    return one.subject == other.subject and one.role in together and other.role in together


def _place_routed(case: LintCase, routed: Routed) -> LintFinding:
    """A finding of a rule for processes, at its line, as bad as it is before anything ran."""
    finding = routed.finding
    own = says_own_limit(case.workload) if finding.rule in ("gomemlimit-unset", "gc-off-without-limit") else ""
    severity = "info" if own else _severity(case, routed)
    program = None if case.go is None else case.go.program
    known = "" if case.go is None or program is None else f"Go {program.go} by {case.go.known_from}"
    evidence = (*finding.evidence, known, own, *_unseen(case.workload, case.go))
    advice = finding.advice
    if case.sharers > 1 and any(one.variable == "GOMEMLIMIT" and one.value is not None for one in advice):
        shares = f"the limit is the {case.around}'s, for {case.sharers} containers: give each its own, or its share as GOMEMLIMIT"
        advice = (Advice(variable=None, value=None, reason=shares),)
    elif routed.is_old:
        named = 'or name the Go that it is: annotation cgtune.dev/go: "1.27", or --go IMAGE=1.27'
        advice = (*advice, Advice(variable=None, value=None, reason=named))
    placed = case.found(
        finding.rule,
        severity,
        _place(case, finding),
        finding.summary,
        evidence=tuple(dict.fromkeys(evidence)),
        advice=advice,
        is_pedantic=bool(own) or finding.rule in _PEDANTIC,
        go=routed.go,
    )
    return placed if own else _say_meant(placed.replace(fix=mend(case, placed)))


def _say_meant(finding: LintFinding) -> LintFinding:
    """A safe fix writes what was meant; if that is another value than what is recommended, both are told."""
    if finding.rule != "gomemlimit-malformed" or finding.fix is None or finding.fix.kind != "safe":
        return finding
    meant = finding.fix.edits[0].text.strip("'\"")
    if any(one.value == meant for one in finding.advice):
        return finding
    told = Advice(
        variable="GOMEMLIMIT",
        value=meant,
        reason="what the text means, and what --fix writes; it is more than the memory limit leaves to Go",
    )
    return finding.replace(advice=(*finding.advice, told))


def _doubt_collections(case: LintCase) -> list[LintFinding]:
    """That nothing may ever start a collection: GOGC is off, and the one variable that would is there and not known."""
    there = case.variable("GOGC")
    if case.go is None or there is None or there.value != "off" or not case.is_unseen("GOMEMLIMIT"):
        return []
    summary = "GOGC is off, and GOMEMLIMIT could not be seen: if it is not set, the heap is never collected"
    evidence = (case.variable_words("GOGC"), case.limit_words, *_unseen(case.workload, case.go))
    advice = (*case.set_memory("with GOGC off, collections start near this limit"),)
    return [case.found("gc-off-without-limit", "info", case.at(there), summary, evidence=evidence, advice=advice)]


def _severity(case: LintCase, routed: Routed) -> Severity:
    """A manifest does not tell how large a program grows, and a Go that nobody named is a new one."""
    finding, value, limit = routed.finding, case.gomemlimit, case.limit_bytes
    if finding.rule == "gomemlimit-unset" or routed.is_old:
        return "info"
    if finding.rule == "gomemlimit-exceeds-limit" and value is not None and limit is not None and value > limit:
        return "critical"
    return finding.severity


def _place(case: LintCase, finding: Finding) -> Place:
    name = _SPEAKS_OF.get(finding.rule)
    there = None if name is None else case.variable(name)
    if there is not None:
        return case.at(there)
    if finding.rule == "no-quota-many-cpus":
        return case.workload.place
    is_memory = name in ("GOMEMLIMIT", "GOGC") or finding.rule in _OF_MEMORY
    limit = case.memory_limit or case.workload.memory_high if is_memory else case.cpu_limit or case.workload.pod_cpu_limit
    return case.workload.place if limit is None else limit.place
