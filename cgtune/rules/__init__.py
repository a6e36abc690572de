"""The rules, in the order in which equally bad findings are shown, and which finding makes which others superfluous.

One cause gives one finding: if the cause is named, its symptoms are silent. The cause then bears the worst severity and the worst harm
among them, and their evidence.
"""

from __future__ import annotations

from cgtune.model import HARMS, SEVERITIES
from cgtune.rules import (
    affinity_changed,
    ancestor_quota_ignored,
    automaxprocs_redundant,
    awareness_disabled_by_build,
    awareness_disabled_by_env,
    collector_busy,
    cpu_contended,
    cpu_throttled,
    follows_old_cgroup,
    fractional_quota,
    gc_off_without_limit,
    go_not_container_aware,
    godebug_removed_setting,
    gogc_malformed,
    gomaxprocs_below_quota,
    gomaxprocs_exceeds_quota,
    gomaxprocs_malformed,
    gomaxprocs_pinned,
    gomemlimit_changed_in_process,
    gomemlimit_exceeds_high,
    gomemlimit_exceeds_limit,
    gomemlimit_malformed,
    gomemlimit_near_limit,
    gomemlimit_stale,
    gomemlimit_too_small,
    gomemlimit_unset,
    limit_file_missed,
    limit_only_said,
    limit_unneeded,
    memory_limit_too_small,
    memory_near_limit,
    memory_shared,
    memory_stalling,
    memory_thrashing,
    no_quota_many_cpus,
    oom_killed,
    quota_below_two_cpus,
    quota_crashes_go,
    started_throttled,
    swap_hides_pressure,
    threads_short,
    updates_disabled,
    whole_quota_no_slack,
)
from cgtune.rules.case import Case, act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from cgtune.advice.throttling import QuotaUse
    from cgtune.model import Advice, Finding, Policy, ProcessReport, Severity, Snapshot

    class Rule(Protocol):
        """A module of this shelf; its docstring is what ``cgtune explain`` prints."""

        ID: str
        SEVERITY: Severity
        SUMMARY: str
        __doc__: str | None

        def judge(self, case: Case) -> Finding | None:
            """The finding, None if there is nothing to say."""


RULES: tuple[Rule, ...] = (
    quota_crashes_go,
    gomemlimit_malformed,
    godebug_removed_setting,
    go_not_container_aware,
    awareness_disabled_by_build,
    awareness_disabled_by_env,
    ancestor_quota_ignored,
    limit_file_missed,
    follows_old_cgroup,
    affinity_changed,
    gomaxprocs_malformed,
    gomaxprocs_exceeds_quota,
    cpu_throttled,
    started_throttled,
    cpu_contended,
    threads_short,
    updates_disabled,
    automaxprocs_redundant,
    gomaxprocs_pinned,
    gomaxprocs_below_quota,
    quota_below_two_cpus,
    fractional_quota,
    whole_quota_no_slack,
    no_quota_many_cpus,
    limit_only_said,
    gc_off_without_limit,
    memory_limit_too_small,
    gomemlimit_unset,
    gomemlimit_exceeds_limit,
    gomemlimit_exceeds_high,
    gomemlimit_stale,
    gomemlimit_too_small,
    memory_shared,
    gomemlimit_near_limit,
    gomemlimit_changed_in_process,
    gogc_malformed,
    oom_killed,
    memory_thrashing,
    memory_stalling,
    memory_near_limit,
    collector_busy,
    swap_hides_pressure,
    limit_unneeded,
)

BY_ID: dict[str, Rule] = {rule.ID: rule for rule in RULES}

#: These speak of the cgroup, whatever program runs in it.
ANY_PROGRAM = (
    "cpu-throttled",
    "started-throttled",
    "cpu-contended",
    "oom-killed",
    "memory-thrashing",
    "memory-stalling",
    "memory-near-limit",
    "limit-unneeded",
)

#: The causes of more threads than a quota warrants.
_BEYOND_QUOTA = (
    *("go-not-container-aware", "awareness-disabled-by-build", "awareness-disabled-by-env", "ancestor-quota-ignored"),
    *("limit-file-missed", "gomaxprocs-exceeds-quota"),
)

_TOO_MANY_THREADS = ("gomaxprocs-exceeds-quota", "cpu-throttled", "started-throttled", "gomaxprocs-below-quota", "gomaxprocs-pinned")

#: Cause, and the symptoms that need no finding of their own beside it.
SILENCES: dict[str, tuple[str, ...]] = {
    "gomaxprocs-malformed": (
        *("go-not-container-aware", "awareness-disabled-by-build", "awareness-disabled-by-env", "ancestor-quota-ignored"),
        *("limit-file-missed", "affinity-changed", *_TOO_MANY_THREADS),
    ),
    "follows-old-cgroup": ("affinity-changed", *_TOO_MANY_THREADS),
    "go-not-container-aware": _TOO_MANY_THREADS,
    "awareness-disabled-by-build": ("updates-disabled", *_TOO_MANY_THREADS),
    "awareness-disabled-by-env": ("updates-disabled", *_TOO_MANY_THREADS),
    "ancestor-quota-ignored": ("updates-disabled", *_TOO_MANY_THREADS),
    "limit-file-missed": ("updates-disabled", *_TOO_MANY_THREADS),
    "affinity-changed": ("gomaxprocs-exceeds-quota", "gomaxprocs-below-quota"),
    "gomaxprocs-exceeds-quota": ("cpu-throttled", "started-throttled", "gomaxprocs-pinned", "automaxprocs-redundant"),
    "updates-disabled": ("gomaxprocs-exceeds-quota", "gomaxprocs-below-quota", "whole-quota-no-slack"),
    "automaxprocs-redundant": ("gomaxprocs-pinned", "gomaxprocs-below-quota", "whole-quota-no-slack"),
    "gomaxprocs-pinned": ("whole-quota-no-slack",),
    "gomaxprocs-below-quota": ("gomaxprocs-pinned",),
    "threads-short": ("gomaxprocs-below-quota", "whole-quota-no-slack"),
    "cpu-throttled": ("quota-below-two-cpus", "fractional-quota", "whole-quota-no-slack"),
    "started-throttled": ("cpu-throttled", "quota-below-two-cpus", "fractional-quota", "whole-quota-no-slack"),
    "cpu-contended": ("no-quota-many-cpus",),
    "gc-off-without-limit": ("gomemlimit-unset", "memory-limit-too-small", "oom-killed"),
    "memory-limit-too-small": (
        *("gomemlimit-unset", "gomemlimit-near-limit", "gomemlimit-too-small", "memory-shared", "oom-killed"),
        *("memory-near-limit", "memory-thrashing", "memory-stalling", "collector-busy"),
    ),
    "gomemlimit-unset": ("oom-killed", "memory-near-limit", "memory-thrashing"),
    "gomemlimit-stale": ("gomemlimit-too-small", "collector-busy"),
    "gomemlimit-too-small": ("collector-busy",),
    "memory-thrashing": ("memory-stalling", "memory-near-limit"),
    "memory-stalling": ("memory-near-limit",),
    "gomemlimit-exceeds-limit": ("gomemlimit-exceeds-high", "gomemlimit-near-limit", "memory-shared", "oom-killed"),
    "gomemlimit-exceeds-high": ("gomemlimit-near-limit",),
    "memory-shared": ("gomemlimit-near-limit",),
    "gomemlimit-near-limit": ("oom-killed",),
}


def judge_all(
    process: ProcessReport,
    policy: Policy,
    *,
    least_periods: int | None = None,
    groups: Mapping[str, Sequence[Snapshot]] | None = None,
    ignored: frozenset[str] = frozenset(),
) -> tuple[Finding, ...]:
    """All findings on a process that has its recommendations, worst first.

    ``least_periods``: as of Case; ``groups`` are the Go processes of the report by cgroup.
    Programs without a Go runtime are judged by the rules in ANY_PROGRAM only; cgtune itself by none. The findings
    on a second or later Go runtime of one process name its file; what is the same as for the first, which shares its environment and its
    cgroup, is not repeated. Ignoring a rule hides its finding, but not a cpu-throttled or oom-killed finding that it would have absorbed.
    """
    if not process.snapshot.go:
        if process.snapshot.process.is_self:
            return ()
        rules = tuple(rule for rule in RULES if rule.ID in ANY_PROGRAM)
        return judge_case(Case(process, None, policy, least_periods, groups), rules, ignored)
    findings: list[Finding] = []
    for index, facts in enumerate(process.snapshot.go):
        rules = RULES if index == 0 else tuple(rule for rule in RULES if rule.ID not in ANY_PROGRAM)
        found = judge_case(Case(process, facts, policy, least_periods, groups), rules, ignored)
        if index:
            told = {(finding.rule, finding.summary) for finding in findings}
            fresh = [finding for finding in found if (finding.rule, finding.summary) not in told]
            found = tuple(finding.replace(summary=f"{facts.program.path}: {finding.summary}") for finding in fresh)
        findings += found
    return tuple(sorted(findings, key=lambda finding: finding.urgency))


def judge_case(case: Case, rules: Sequence[Rule], ignored: frozenset[str] = frozenset()) -> tuple[Finding, ...]:
    """What these rules find in one case, worst first; what another finding makes superfluous is left out."""
    found = {finding.rule: finding for rule in rules if (finding := rule.judge(case)) is not None}
    if (room := case.threads_may_pay) is not None:
        found = {name: _soften(finding, room) if name in _BEYOND_QUOTA else finding for name, finding in found.items()}
    return tuple(sorted(_merge(found, ignored), key=lambda finding: finding.urgency))


def _soften(finding: Finding, room: QuotaUse) -> Finding:
    """Too many threads do no harm while there is room in the quota, and some programs need them: those that wait more than they work."""
    why = act("leave it while less than 88 % of the quota are in use: more threads have as good a tail then, and a worse one above; else")
    evidence = (*finding.evidence, f"{room.words}; it was stopped in less than 1 % of them")
    severity: Severity = "info" if finding.severity == "warning" else finding.severity
    return finding.replace(severity=severity, evidence=evidence, advice=(why, *finding.advice))


def _merge(found: dict[str, Finding], ignored: frozenset[str]) -> list[Finding]:
    """The causes among these findings, each with the worst severity and harm, and the further evidence of what it silences. If it was felt
    only through that, its summary begins with what was felt.
    """
    silent = {symptom for cause in found for symptom in SILENCES.get(cause, ())}
    shown = set(found) - silent - ignored
    told = shown.union(*(_symptoms(name, found) for name in shown))
    shown |= {name for name in ANY_PROGRAM if name in found} - told - ignored  # to ignore a cause is not to ignore the harm
    merged = []
    for name, finding in found.items():
        if name not in shown:
            continue
        symptoms = [found[symptom] for symptom in _symptoms(name, found)]
        worst = min((finding, *symptoms), key=lambda each: SEVERITIES.index(each.severity)).severity
        harm = min((finding, *symptoms), key=lambda each: HARMS.index(each.harm)).harm
        evidence = tuple(dict.fromkeys(line for each in (finding, *symptoms) for line in each.evidence))
        felt = [each for each in (finding, *symptoms) if each.harm == harm]
        rules = tuple(each.rule for each in felt)
        first, later = _further_advice(symptoms)
        advice = tuple(dict.fromkeys((*first, *finding.advice, *later)))
        summary = finding.summary if finding in felt else f"{felt[0].summary}; {finding.summary}"
        more = rules if rules != (name,) else ()
        merged.append(finding.replace(severity=worst, harm=harm, summary=summary, evidence=evidence, advice=advice, symptoms=more))
    return merged


def _further_advice(symptoms: Sequence[Finding]) -> tuple[tuple[Advice, ...], tuple[Advice, ...]]:
    """What the cause does not mend, to stand before and after what does: a quota that is used up stays so with the right number of threads,
    and is what hurts then.
    """
    advice = next((symptom.advice for symptom in symptoms if symptom.rule == cpu_throttled.ID), ())
    further = tuple(one for one in advice if one.variable is None)
    return (further, ()) if further == advice else ((), further)


def _symptoms(cause: str, found: dict[str, Finding]) -> list[str]:
    """What a cause silences among the findings, and what those would have silenced."""
    names: list[str] = []
    waiting = [cause]
    while waiting:
        for symptom in SILENCES.get(waiting.pop(), ()):
            if symptom in found and symptom not in names:
                names.append(symptom)
                waiting.append(symptom)
    return names
