"""A container as it is written, on the route of `predict`: the same mirror of Go, the same advice, the same rules as for a live process.

Only the words are the manifest's: what a live process's evidence reads from files, this one's reads from lines. If nobody said which Go it
is, it is judged as several, and a finding says for which of them it holds.
Not covered: cgroup v1, on which Go 1.25 sees no quota; a node's cpuset.
"""

from __future__ import annotations

import math

from cgtune.advice.advise import advise
from cgtune.advice.prediction import MOST_CPUS, Limited, derive_limited, report_limited
from cgtune.advice.quantities import USUAL_PERIOD_US
from cgtune.lint.rules.case import GO_VARIABLES
from cgtune.model import Bandwidth
from cgtune.records import Record
from cgtune.rules import RULES, judge_case
from cgtune.rules.case import Case
from cgtune.runtimes.go.offline import parse_programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.lint.rules.case import LintCase
    from cgtune.manifests.workload import Cpus
    from cgtune.model import Advice, Finding, GoFacts, ProcessReport, Recommendation
    from cgtune.runtimes.go.offline import OfflineProgram

#: What stands for the version in sentences about a Go that nobody named, until it is known for which versions they hold.
_SOME_GO = "\ue000"
_OLD, _NEW = 24, 27
_NEWER = "Go 1.25 and newer"
#: Each where what Go derives from its environment has changed: these are judged one by one if GODEBUG or an odd number is there.
_MINORS = (_OLD, 25, 26, _NEW)

#: More CPUs than most nodes have, if those of the node are not known; nothing that is said may hang on it.
_MANY_CPUS = 256
_MOST_ASSUMED_CPUS = 4096  # a limit beyond it is a slip, and limits nothing; each one that is assumed costs time
_LEAST_QUOTA_US, _LEAST_MEMORY_BYTES = 1000, 4096

_BY_QUOTA = ("GOMAXPROCS", "GODEBUG")
#: The rules that need no running process, and the variables that have to be known, or known to be unset, for what they say.
NEEDS: dict[str, tuple[str, ...]] = {
    "gomemlimit-malformed": ("GOMEMLIMIT",),
    "godebug-removed-setting": ("GODEBUG",),
    "go-not-container-aware": _BY_QUOTA,
    "awareness-disabled-by-build": _BY_QUOTA,
    "awareness-disabled-by-env": _BY_QUOTA,
    "ancestor-quota-ignored": _BY_QUOTA,
    "gomaxprocs-malformed": ("GOMAXPROCS",),
    "gomaxprocs-exceeds-quota": ("GOMAXPROCS",),
    "updates-disabled": _BY_QUOTA,
    "automaxprocs-redundant": _BY_QUOTA,
    "gomaxprocs-pinned": _BY_QUOTA,
    "gomaxprocs-below-quota": ("GOMAXPROCS",),
    "quota-below-two-cpus": _BY_QUOTA,
    "fractional-quota": _BY_QUOTA,
    "whole-quota-no-slack": _BY_QUOTA,
    "no-quota-many-cpus": _BY_QUOTA,
    "gc-off-without-limit": ("GOGC", "GOMEMLIMIT"),
    "memory-limit-too-small": (),
    "gomemlimit-unset": ("GOMEMLIMIT",),
    "gomemlimit-exceeds-limit": ("GOMEMLIMIT",),
    "gomemlimit-exceeds-high": ("GOMEMLIMIT",),
    "gomemlimit-too-small": ("GOMEMLIMIT",),
    "gomemlimit-near-limit": ("GOMEMLIMIT",),
    "gogc-malformed": ("GOGC",),
}
ROUTE_RULES = tuple(rule for rule in RULES if rule.ID in NEEDS)
#: Without a CPU limit these compare with the CPUs of the node.
_NEEDS_NODE = ("no-quota-many-cpus", "gomaxprocs-exceeds-quota")


class Routed(Record):
    """A finding of a rule for processes. ``go``: for which versions it holds, None: for all, or for the one that is known.

    ``is_old``: it holds for versions before 1.25 alone.
    """

    finding: Finding
    go: str | None = None
    is_old: bool = False


class ManifestCase(Case):
    """A process that is written down: what it has is said with the lines that say it."""

    def __init__(self, written: LintCase, report: ProcessReport, facts: GoFacts) -> None:
        super().__init__(report, facts, written.settings.policy)
        self._written = written
        self._is_node_known = _node_cpus(written) is not None
        self.is_unnamed = facts.program.version == _SOME_GO

    @property
    def procs_shown(self) -> str:
        is_all = not self._is_node_known and self.procs_count >= self.usable and not self.procs_are_set
        return "the number of the node's CPUs" if is_all else super().procs_shown

    @property
    def built_words(self) -> str:
        return f"if it was {super().built_words}" if self.is_unnamed else super().built_words

    @property
    def procs_words(self) -> str:
        if self.procs is None:
            return ""
        if self.set_by_variable:
            return self._written.variable_words("GOMAXPROCS")
        return f"GOMAXPROCS would be {self.procs_shown}, by Go's own rule"

    @property
    def quota_words(self) -> str:
        return self._written.cpu_words

    @property
    def limit_words(self) -> str:
        return self._written.limit_words

    @property
    def high_words(self) -> str:
        high = self._written.workload.memory_high
        return "" if high is None else f"memory.high {high.written} ({self._written.line(high.place)})"

    @property
    def gomemlimit_words(self) -> str:
        return self._written.variable_words("GOMEMLIMIT")

    @property
    def gogc_words(self) -> str:
        return self._written.variable_words("GOGC")

    @property
    def stall(self) -> str:
        if self._is_node_known:
            return super().stall
        if not self.procs_are_set and self.procs_count >= _MANY_CPUS:
            return ""
        return f"on a node with {self.procs_count} CPUs or more, {super().stall}" if super().stall else ""

    def variable_words(self, name: str) -> str:
        return self._written.variable_words(name)


def route(written: LintCase) -> tuple[tuple[Recommendation, ...], tuple[Routed, ...]]:
    """Returns (what is recommended for the newest Go that it may run, what the rules for processes find)."""
    limited = limited_of(written)
    empty = _in_words(report_limited(limited), written.around)
    looked = [(program, *_judge(written, limited, empty, program)) for program in _programs(written)]
    if len(looked) == 1:
        _, recommendations, findings = looked[0]
        return recommendations, tuple(Routed(finding=finding) for finding in findings)
    by_minor = {_minor(program): {finding.rule: finding for finding in findings} for program, _, findings in looked}
    rules = dict.fromkeys(rule for minor in sorted(by_minor, reverse=True) for rule in by_minor[minor])
    return looked[-1][1], tuple(_join(rule, by_minor) for rule in rules)


def _in_words(empty: ProcessReport, around: str) -> ProcessReport:
    """The cgroups of a container that is not there have no folders: where a rule names one, it says whose it is."""
    chain, cpu = empty.snapshot.cpu_chain, empty.limits.cpu
    named = tuple(
        level.replace(path=name, directory=name) for level, name in zip(chain, ("(the container's)", f"(the {around}'s)"), strict=False)
    )
    binding = next((one for level, one in zip(chain, named, strict=True) if level is cpu.binding), None)
    return empty.replace(snapshot=empty.snapshot.replace(cpu_chain=named), limits=empty.limits.replace(cpu=cpu.replace(binding=binding)))


def _programs(written: LintCase) -> tuple[OfflineProgram, ...]:
    """The one that is known, else one of each version that may differ."""
    if written.go is not None and written.go.program is not None:
        return (written.go.program,)
    odd = written.value("GODEBUG") or any(not (written.value(name) or "0").isdecimal() for name in ("GOMAXPROCS", "GOGC"))
    minors = _MINORS if odd else (_OLD, _NEW)
    return tuple(program.replace(go=_SOME_GO) for program in parse_programs(",".join(f"1.{minor}" for minor in minors), None))


def _minor(program: OfflineProgram) -> int:
    return _NEW if program.version is None else program.version.minor


def _judge(
    written: LintCase, limited: Limited, empty: ProcessReport, program: OfflineProgram
) -> tuple[tuple[Recommendation, ...], tuple[Finding, ...]]:
    """(what is recommended, what is found); a program that dies of one mistake is judged for the others as if that were mended."""
    rules = [rule for rule in ROUTE_RULES if not any(written.is_unseen(name) for name in NEEDS[rule.ID])]
    if _node_cpus(written) is None and limited.bandwidth is None and limited.above is None:
        rules = [rule for rule in rules if rule.ID not in _NEEDS_NODE]
    derivation, facts = derive_limited(limited, program)
    snapshot = empty.snapshot.replace(go=(facts,))
    recommendations = advise(snapshot, empty.limits, written.settings.policy)
    report = empty.replace(snapshot=snapshot, recommendations=recommendations)
    findings = judge_case(ManifestCase(written, report, facts), rules)
    deadly = {"gomemlimit": "GOMEMLIMIT", "removed-godebug": "GODEBUG", "cgocheck": "GODEBUG", "gomaxprocs": "GOMAXPROCS"}
    name = deadly.get(facts.derived.dies_of or "")
    if derivation.dies is None or name is None:
        return recommendations, findings
    mended = limited.replace(environ=tuple(pair for pair in limited.environ if pair[0] != name))
    told = {finding.rule for finding in findings}
    recommendations, others = _judge(written, mended, empty, program)
    return recommendations, (*findings, *(one for one in others if one.rule not in told and name not in NEEDS[one.rule]))


def _join(rule: str, by_minor: dict[int, dict[str, Finding]]) -> Routed:
    """One finding of several versions: as the newest has it, with what to do for older ones if that is something else."""
    newest = max(minor for minor, found in by_minor.items() if rule in found)
    finding = by_minor[newest][rule]
    holds = sorted(minor for minor, found in by_minor.items() if rule in found and found[rule].severity == finding.severity)
    minors = sorted(by_minor)
    go = None
    if holds != minors:
        above = minors[minors.index(newest) + 1] if newest != minors[-1] else None
        # two versions alone were looked at if all that lie between are as the newer one: the first of those is 1.25
        names = {minor: "1.25" if len(minors) == 2 and minor == _NEW else f"1.{minor}" for minor in minors}
        if above is not None and holds[0] != minors[0]:
            go = f"{names[holds[0]]} to {names[holds[-1]]}"
        else:
            go = f"{names[holds[0]]} and newer" if above is None else f"before {names[above]}"
    older = [by_minor[minor][rule] for minor in minors[:-1]] if go is None else []
    return Routed(finding=_named(finding, older, go), go=go, is_old=newest < _MINORS[1])


def _named(finding: Finding, older: list[Finding], go: str | None) -> Finding:
    """The finding of the newest version, in whose sentences stands for which versions they hold; ``older`` are those of the others, if
    it holds for all. What to do for Go before 1.25 is told beside it, if that is another value.
    """

    def say(text: str, words: str) -> str:
        return text.replace(f"Go {_SOME_GO}", words).replace(_SOME_GO, words.removeprefix("Go "))

    words = "Go" if go is None else f"Go {go}"
    evidence = tuple(say(line, words if all(line in one.evidence for one in older) else _NEWER) for line in finding.evidence)
    advice = tuple(one.replace(reason=say(one.reason, words)) for one in finding.advice)
    if older:
        then = tuple(one for one in older[0].advice if one.variable is not None and not _has(finding.advice, one))
        advice = tuple(
            one.replace(reason=f"from Go 1.25 on: {one.reason}") if then and one.variable and not _has(older[0].advice, one) else one
            for one in advice
        )
        advice += tuple(one.replace(reason=f"before Go 1.25: {say(one.reason, 'Go')}") for one in then)
    return finding.replace(summary=say(finding.summary, words), evidence=evidence, advice=advice)


def _has(advice: tuple[Advice, ...], other: Advice) -> bool:
    """Whether the same is to be set there."""
    return any((one.variable, one.value) == (other.variable, other.value) for one in advice)


def _node_cpus(written: LintCase) -> int | None:
    """The CPUs that it may run on; None if nobody said."""
    cpuset, node = written.workload.cpuset, written.settings.node.cpus
    known = [math.ceil(cores) for cores in (node, None if cpuset is None else cpuset.cores) if cores is not None]
    return max(1, min(known)) if known else None


def limited_of(written: LintCase) -> Limited:
    """The limits and the environment of a container, as far as they are known."""
    workload, memory = written.workload, written.limit_bytes
    own = written.cpu_limit if workload.kind == "kubernetes" else workload.cpu_limit
    above = None if workload.kind == "kubernetes" else workload.pod_cpu_limit
    limits = [one.cores for one in (own, above) if one is not None and one.cores is not None]
    assumed = min(max([_MANY_CPUS, *(math.ceil(cores) + 1 for cores in limits)]), _MOST_ASSUMED_CPUS)
    cpus = min(_node_cpus(written) or assumed, MOST_CPUS)
    request, high = workload.cpu_request, workload.memory_high
    return Limited(
        cpus=cpus,
        bandwidth=_bandwidth(own) or (None if above is None else Bandwidth(quota_us=None, period_us=USUAL_PERIOD_US)),
        above=_bandwidth(above),
        request_cores=None if request is None else request.cores,
        memory_bytes=None if memory is None else max(memory, _LEAST_MEMORY_BYTES),
        high_bytes=None if high is None else high.size_bytes,
        environ=tuple((name, value) for name in GO_VARIABLES if (value := written.value(name)) is not None),
    )


def _bandwidth(limit: Cpus | None) -> Bandwidth | None:
    """The quota of a CPU limit; the kubelet and the kernel know none below 10m."""
    if limit is None or limit.cores is None:
        return None
    return Bandwidth(quota_us=max(round(limit.cores * USUAL_PERIOD_US), _LEAST_QUOTA_US), period_us=USUAL_PERIOD_US)
