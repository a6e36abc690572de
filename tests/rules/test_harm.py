"""Whether a finding was felt: now, earlier, or not as far as was measured."""

from __future__ import annotations

import pytest

from cgtune.model import Finding, Policy, Pressure, ProcessReport, Stall
from cgtune.rules import judge_all
from tests.rules.reports import MIB, go_facts, memory_level, report, sees, watched


def _pressure(avg300: float, scope: str = "cgroup") -> Pressure:
    some = Stall(avg10_percent=0.0, avg60_percent=0.0, avg300_percent=avg300, total_seconds=9.0)
    return Pressure(scope=scope, file="cpu.pressure", some=some, full=None)


def _throttled(pressure: Pressure | None) -> ProcessReport:
    made = report(go_facts(procs=2, seen=sees(50_000)), cores=0.5, throttled=(300, 1000))
    return made.replace(snapshot=made.snapshot.replace(cpu_pressure=pressure))


def _only(made: ProcessReport, **more: object) -> Finding:
    (finding,) = judge_all(made, Policy(), **more)  # type: ignore[arg-type]
    return finding


@pytest.mark.parametrize(
    ("pressure", "harm"),
    [
        (None, "now"),
        (_pressure(0.0, scope="machine"), "now"),
        (_pressure(0.01), "now"),
        (_pressure(0.0), "earlier"),
    ],
    ids=["v1: counters alone", "of the machine, which tells nothing of the cgroup", "waited within five minutes", "waited for none"],
)
def test_throttling_of_a_look_is_over_if_nothing_waits(pressure: Pressure | None, harm: str) -> None:
    """Counters since the cgroup was made tell of now, unless its own pressure says that nothing has waited for five minutes."""
    assert _only(_throttled(pressure)).harm == harm


def test_throttling_that_was_watched_is_now() -> None:
    """Whatever the pressure says: it was seen."""
    made = _throttled(_pressure(0.0))
    level = made.throttled_level
    assert level is not None
    assert _only(watched(made, level.throttling)).harm == "now"


def test_a_cause_bears_the_worst_harm_of_what_it_silences() -> None:
    """Go 1.24 under half a CPU may hurt; throttled by it, it does. Kills are of earlier."""
    unaware = report(go_facts(minor=24), cores=0.5)
    assert [(each.rule, each.harm) for each in judge_all(unaware, Policy())] == [("go-not-container-aware", "possible")]
    felt = report(go_facts(minor=24), cores=0.5, throttled=(900, 1000))
    assert [(each.rule, each.harm) for each in judge_all(felt, Policy())] == [("go-not-container-aware", "now")]
    killed = report(go_facts(), memory=(memory_level("/pod/app", 512 * MIB),), oom_kills=3)
    assert [(each.rule, each.harm) for each in judge_all(killed, Policy())] == [("gomemlimit-unset", "earlier")]


def test_harm_comes_before_severity() -> None:
    """A process that is throttled now and would die at its next start: the throttling is told first."""
    made = report(
        go_facts(procs=2, seen=sees(50_000), memory=600 * MIB),
        cores=0.5,
        throttled=(300, 1000),
        memory=(memory_level("/pod/app", 512 * MIB),),
    )
    found = judge_all(made, Policy())
    assert [each.urgency for each in found] == sorted(each.urgency for each in found)
    assert found[0].harm == "now"
    assert len({each.harm for each in found}) > 1
