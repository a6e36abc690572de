"""What the monitoring of a cluster lacks for a whole report, and the line of configuration that mends each: from the probe alone. Pure."""

from __future__ import annotations

from cgtune.fleet import names
from cgtune.fleet.gaps import gap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cgtune.fleet.model import NotJoined
    from cgtune.fleet.probe import Seen

_GO = ("go_info", "cgtune_go_info", "target_info")


def diagnose(seen: Iterable[Seen]) -> tuple[NotJoined, ...]:
    """Each gap with how many series have it: what keeps rows from being made, then what rows lack, then what would make them better."""
    looked = tuple(seen)
    now = tuple(each for each in looked if not each.is_at_begin)
    count = _counter(now)
    has_go, has_use, has_ksm = count(*_GO), count(*names.CPU), count(*names.OWNERS, *names.RESOURCES)
    found: list[NotJoined] = []

    def tell(code: str, number: int = 0, *, holds: object, job: str = "") -> None:
        if holds:
            found.append(gap(code, number, job=job))

    tell("nothing-now", holds=not now)
    tell("no-go", holds=not has_go)
    for job, number in _by_job(now, lambda each: each.is_exported).items():
        tell("exported", number, holds=True, job=job)
    programs = [each for each in now if each.name == "go_info" and not each.is_exported]
    for job, number in _by_job(programs, lambda each: not each.has_pod).items():
        tell("no-pod", number, holds=True, job=job)
    for job, number in _by_job(programs, lambda each: each.has_pod and not each.has_container).items():
        tell("lacks-container", number, holds=True, job=job)
    unclustered = sum(each.series for each in now if not each.cluster)
    tell("no-cluster", unclustered, holds=unclustered and any(each.cluster for each in now))
    otel = sum(each.series for each in now if each.is_otel and each.name in (*names.CPU, *names.MEMORY))
    tell("otel-use", otel, holds=otel)
    tell("no-cadvisor", holds=not has_use)
    unnamed = sum(each.series for each in now if each.name in names.CPU)
    tell("cadvisor-unnamed", unnamed, holds=unnamed and not otel and not any(each.has_container for each in now if each.name in names.CPU))
    tell("no-ksm", holds=not has_ksm)
    tell("no-owner", holds=has_ksm and not count("kube_pod_owner"))
    tell("no-replicaset-owner", holds=count("kube_pod_owner") and not count("kube_replicaset_owner"))
    tell("no-restarts", holds=has_ksm and not count(names.STATES[0]))
    tell("no-nodes", holds=has_ksm and not all(map(count, names.NODES)))
    limits = count(names.RESOURCES[0])
    tell("no-throttling", holds=has_use and limits and not count(*names.THROTTLED))
    tell("no-enforced", holds=has_use and not count(*names.ENFORCED) and not count("cgtune_cpu_limit_cores"))
    tell("no-pod-resources", holds=has_ksm and not count(*names.POD_RESOURCES))
    bare = max(0, sum(each.series for each in programs) - count("go_sched_gomaxprocs_threads"))
    tell("no-threads", bare, holds=bare and not count("cgtune_gomaxprocs_observed"))
    tell("no-cgtune", holds=has_go and not count("cgtune_go_info"))
    tell("no-live-heap", holds=has_go and not count(*names.LIVE_HEAP))
    tell("no-gc-share", holds=has_go and not count(*names.GC_SECONDS))
    back = {each.name for each in looked if each.is_at_begin}
    tell(
        "no-recorded", holds=has_use and not all(count(kept) and kept in back for kept, made_of in names.RECORDED.items() if count(made_of))
    )
    return tuple(found)


def _counter(now: Iterable[Seen]) -> Callable[..., int]:
    counts: dict[str, int] = {}
    for each in now:
        counts[each.name] = counts.get(each.name, 0) + each.series
    return lambda *wanted: sum(counts.get(name, 0) for name in wanted)


def _by_job(now: Iterable[Seen], is_meant: Callable[[Seen], bool]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in now:
        if is_meant(each):
            counts[each.job] = counts.get(each.job, 0) + each.series
    return counts
