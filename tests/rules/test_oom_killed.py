"""oom-killed: a service remembers what no counter tells any more, and a count that grows between two looks hurts now."""

from __future__ import annotations

import pytest

from cgtune.model import Container, Finding, Kill, Kills, MemoryEvents, MemoryRate, Owner, Policy, ProcessReport
from cgtune.rules import judge_all, oom_killed
from cgtune.rules.case import Case
from tests.rules.reports import MIB, go_facts, memory_level, report, watched

ID, UID = "c0ffee" * 10 + "c0de", "0b8e2b7e-1c7c-4f3b-9d0a-7a3f5b1c2d3e"
CONTAINER, POD, WORKLOAD = Owner(of="container", name=ID), Owner(of="pod", name=UID), Owner(of="workload", name="web.service")
LAST = Kill(time_seconds=1.0, pid=41, command="server", certainty="likely", limit_bytes=64 * MIB, current_bytes=63 * MIB, gomemlimit="off")


def remembered(owner: Owner, ago_seconds: float, last: Kill | None = None) -> Kills:
    """Two kills of that owner."""
    return Kills(owner=owner, oom_kills=2, processes=1, last_seconds=0.0, last=last, ago_seconds=ago_seconds)


def process(*kills: Kills, pod: bool = False, counted: int = 0) -> ProcessReport:
    """A Go program in a cgroup that has counted so many kills, with these remembered."""
    made = report(go_facts(), memory=(memory_level("/app", 512 * MIB),), oom_kills=counted)
    container = Container(id=ID, pod_uid=UID if pod else None)
    return made.replace(snapshot=made.snapshot.replace(container=container), remembered=kills)


def judged(told: ProcessReport) -> Finding | None:
    """What the rule says, whatever else there is to say."""
    return oom_killed.judge(Case(told, told.snapshot.go[0], Policy()))


@pytest.mark.parametrize(
    ("kills", "pod", "summary"),
    [
        (remembered(CONTAINER, 7.4), False, "remembers 2 in this container c0ffeec0ffee, the last 7 s ago; the cgroup of now counts none"),
        (remembered(POD, 180.0), True, "remembers 2 in this pod 0b8e2b7e-1c7, the last 3 min ago; the cgroup of now counts none"),
        (remembered(WORKLOAD, 7200.0), False, "remembers 2 in web.service, the last 2 h ago; the cgroup of now counts none"),
        (remembered(WORKLOAD, 7200.0), True, None),  # of other pods: a kill of one replica is no finding on all
    ],
)
def test_a_successor_is_told(kills: Kills, pod: bool, summary: str | None) -> None:
    """Of its container and its pod, and outside of pods of its unit; it is a harm that was."""
    finding = judged(process(kills, pod=pod))
    if summary is None:
        assert finding is None
    else:
        assert finding is not None
        assert (finding.summary, finding.harm) == (f"OOM kills: cgtune serve {summary}", "earlier")


def test_what_was_seen_last_is_evidence() -> None:
    """Beside what the counters tell, which come first."""
    told = process(remembered(CONTAINER, 60.0, LAST), counted=1)
    finding = judged(told)
    assert finding is not None
    assert finding.summary == "OOM kills: the kernel counts 1 in its cgroup, since that was made"
    assert finding.evidence[1] == (
        "cgtune serve: 2 of this container c0ffeec0ffee, the last 1 min ago; "
        "last seen of 41 server (likely): limit 64 MiB, 63 MiB charged, GOMEMLIMIT off"
    )
    (cause,) = judge_all(told, Policy())
    assert cause.rule == "gomemlimit-unset"  # which is what is to be mended
    assert finding.evidence[1] in cause.evidence


@pytest.mark.parametrize(("more", "severity", "harm"), [(0, "warning", "earlier"), (2, "critical", "now")])
def test_a_kill_that_was_watched_is_now(more: int, severity: str, harm: str) -> None:
    """Workers that are killed again and again between two looks: it hurts now, whatever was before."""
    own = {"path": "/app", "directory": "/sys/fs/cgroup/app", "version": 2}
    rate = MemoryRate(seconds=30.0, refaults_per_second=0.0, oom_kills=more, high_events=0, max_events=0, **own)  # type: ignore[arg-type]
    finding = judged(watched(process(counted=3), None, memory=(rate,)))
    assert finding is not None
    assert (finding.severity, finding.harm) == (severity, harm)
    assert ("/sys/fs/cgroup/app: oom_kill 2 more in the last 30 s" in finding.evidence) == bool(more)


def test_nobody_was_asked() -> None:
    """Without a service the counters alone speak."""
    assert judged(process().replace(remembered=None)) is None


def _watched(counted: int, **grown: int) -> ProcessReport:
    """Looked at twice; so many kills are counted since the cgroups were made, and so many more of each path between the looks."""
    chain = (memory_level("/pod/app", 512 * MIB), memory_level("/pod", 1024 * MIB, oom_kills=counted))
    made = report(go_facts(), memory=chain, oom_kills=counted)
    rates = tuple(
        MemoryRate(
            path=level.path,
            directory=level.directory,
            version=2,
            seconds=30.0,
            refaults_per_second=0.0,
            oom_kills=grown.get(level.path.rpartition("/")[2], 0),
            high_events=0,
            max_events=0,
        )
        for level in chain
    )
    return watched(made, None, memory=rates)


@pytest.mark.parametrize(
    ("told", "harm", "first"),
    [
        (process(counted=1), "earlier", "/sys/fs/cgroup/app/memory.events: oom_kill 1"),
        (_watched(3), "earlier", "/sys/fs/cgroup/pod/app/memory.events: oom_kill 3"),
        (_watched(3, app=2, pod=2), "now", "/sys/fs/cgroup/pod/app: oom_kill 2 more in the last 30 s"),
        (_watched(3, pod=1), "now", "/sys/fs/cgroup/pod: oom_kill 1 more in the last 30 s"),
    ],
    ids=["one look", "none between two looks", "in its cgroup", "in the one above"],
)
def test_a_kill_between_two_looks_hurts_now(told: ProcessReport, harm: str, first: str) -> None:
    """A count that grew tells of now; one that stands still tells of earlier."""
    finding = judged(told)
    assert finding is not None
    assert finding.harm == harm
    assert finding.evidence[0].startswith(first)


@pytest.mark.parametrize(
    ("events", "local", "is_told"),
    [
        (MemoryEvents(oom=1, oom_kill=1), None, True),
        (MemoryEvents(oom=1, oom_kill=1), MemoryEvents(oom=1, oom_kill=1), True),
        (MemoryEvents(oom=1, oom_kill=1), MemoryEvents(oom=0, oom_kill=1), False),
        (MemoryEvents(oom=0, oom_kill=1), None, False),
        (MemoryEvents(oom_kill=1), None, False),
    ],
    ids=["at its limit", "at its own limit", "at the limit of one below", "the machine had no memory", "v1 does not count that"],
)
def test_the_limit_was_not_enough_if_it_is_known_to_be_the_cause(events: MemoryEvents, local: MemoryEvents | None, is_told: bool) -> None:
    """A kill alone does not say whose limit it was for."""
    level = memory_level("/app", 512 * MIB).replace(events=events, events_local=local)
    made = report(go_facts(), memory=(level,), oom_kills=1)
    chain = (level, *made.snapshot.memory_chain[1:])
    limits = made.limits.replace(memory=made.limits.memory.replace(binding=level))
    finding = judged(made.replace(snapshot=made.snapshot.replace(memory_chain=chain), limits=limits))
    assert finding is not None
    assert any(line.startswith("512 MiB were not enough") for line in finding.evidence) == is_told
