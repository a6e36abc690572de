"""Reports of a fleet made by hand, for the tests of formats, patches and comparisons."""

from __future__ import annotations

import math
from typing import Any

from cgtune.fleet.model import FleetReport, Key, Measured, NotJoined, Row, Sized, Span, Timeline
from cgtune.model import Advice, Finding, Recommendation, RuleText
from cgtune.rules import RULES

MIB = 1 << 20
HOSTILE = '=a\x1b[31m|b"<img src=x onerror=alert(1)>\n\u202ec'
_RULES = tuple(RuleText(id=rule.ID, severity=rule.SEVERITY, summary=rule.SUMMARY, help=rule.__doc__ or "") for rule in RULES)

KILLED = Finding(
    rule="oom-killed",
    severity="critical",
    harm="earlier",
    summary="OOM kills: at least 3 in 6.9 days of history",
    evidence=("OOM kills: 3 (kube_pod_container_status_last_terminated_reason)", "memory limit: 536870912 bytes (512 MiB)"),
    advice=(Advice(variable="GOMEMLIMIT", value="460MiB", reason="the collector then keeps the heap below the limit"),),
)
THROTTLED = Finding(
    rule="cpu-throttled",
    severity="warning",
    harm="now",
    summary="throttled in 22.0 % of the periods half of the time or more",
    evidence=("throttled periods in 6.9 days of history: 22.0 % in the median",),
    advice=(Advice(variable=None, value=None, reason="raise the CPU limit to 2 CPUs"),),
)
UNSET = Finding(
    rule="gomemlimit-unset",
    severity="info",
    summary="there is a memory limit, and GOMEMLIMIT is off",
    evidence=("GOMEMLIMIT is off (go_gc_gomemlimit_bytes)",),
    advice=(Advice(variable="GOMEMLIMIT", value="230MiB", reason="the collector then knows the limit"),),
)


def key(name: str, **fields: str) -> Key:
    """A container of a Deployment in shop."""
    return Key(**{"cluster": "", "namespace": "shop", "kind": "Deployment", "name": name, "container": "server", **fields})


def measured(**fields: Any) -> Measured:
    """Three replicas with Go 1.24 and limits, measured for a week."""
    usual: dict[str, Any] = {
        "replicas": 3,
        "go": ("go1.24.11",),
        "least_procs": 2,
        "most_procs": 64,
        "cpu_limit_cores": 1.0,
        "cpu_request_cores": 0.5,
        "memory_limit_bytes": 512 * MIB,
        "memory_request_bytes": 256 * MIB,
        "is_gomemlimit_off": True,
        "gogc": 100,
        "cpu_used": Span(p50=0.31, p95=0.62, most=0.97),
        "memory_used": Span(p50=200.0 * MIB, p95=300.0 * MIB, most=500.0 * MIB),
        "throttled": Span(p50=0.22, p95=0.4, most=0.8),
        "live_heap_bytes": 120 * MIB,
        "gc_share": 0.03,
        "kills": 3,
        "restarts": 3,
        "history_seconds": 596160.0,
        "samples": 9936,
        "node_cpus": 64,
        "sources": ("client_golang", "cadvisor", "ksm"),
        "series": (("most_procs", "go_sched_gomaxprocs_threads"),),
    }
    return Measured(**{**usual, **fields})


SIZED = (
    Sized(what="cpu-limit", value=1.85, because=("throttled in 40 % of the periods under 1 CPU: 1.5 times that",), confidence="high"),
    Sized(what="cpu-request", value=0.55, because=("between the median and the 95th percentile",), confidence="medium"),
    Sized(what="memory-limit", value=640.0 * MIB, because=("killed under 512 MiB: 1.25 times that",), confidence="high"),
    Sized(what="memory-request", value=None, because=("too young",), confidence="low"),
)
PROCS = Recommendation(name="GOMAXPROCS", value=1, set=True, because=("the CPU limit is 1",))
MEMLIMIT = Recommendation(name="GOMEMLIMIT", value=460 * MIB, set=True, because=("90 % of 512 MiB",))
GOGC = Recommendation(name="GOGC", value=None, set=False, because=("100 is fine",))
ORDERS = Row(
    key=key("orders"),
    measured=measured(),
    findings=(THROTTLED, KILLED),
    recommendations=(PROCS, MEMLIMIT, GOGC),
    sized=SIZED,
    under_sized=(PROCS.replace(value=2, because=("the CPU limit is 1.85",)), MEMLIMIT.replace(value=576 * MIB, because=("90 %",))),
    wasted_cores=-0.15,
    wasted_bytes=None,
    upgrade="Go 1.27 takes GOMAXPROCS from 64 to 2",
)
CART = Row(
    key=key("cart", kind="StatefulSet", cluster="eu1"),
    measured=measured(kills=0, throttled=Span(p50=0.0, p95=0.0, most=0.01), memory_limit_bytes=256 * MIB, least_procs=1, most_procs=1),
    findings=(UNSET,),
    recommendations=(MEMLIMIT.replace(value=230 * MIB),),
    sized=(
        Sized(what="cpu-request", value=0.1, because=("85 % of the way",), confidence="medium"),
        Sized(what="memory-request", value=224.0 * MIB, because=("224 MiB at the 95th percentile",), confidence="high"),
    ),
    wasted_cores=1.2,
    wasted_bytes=96.0 * MIB,
)
BARE = Row(
    key=Key(cluster="", namespace="shop", kind="", name="edge", container=""), measured=Measured(go=("go1.27.3",), is_cpu_unlimited=True)
)
GAP = NotJoined(why="Go programs whose series have no pod label", count=7, mend="relabel_configs of its job: pod")


def report_of(*rows: Row, **fields: Any) -> FleetReport:
    """A report with these rows."""
    usual: dict[str, Any] = {
        "version": "0.1.0",
        "time": "2026-11-29T08:00:00Z",
        "window_seconds": 604800.0,
        "engine": "Prometheus 2.42.0",
        "queries": 14,
        "not_joined": (GAP,),
        "rules": _RULES,
    }
    return FleetReport(rows=rows, **{**usual, **fields})


WHOLE = report_of(ORDERS, CART, BARE)
#: A week in sixty points, and a row that has them: a day's rhythm, and nothing in the last step but one.
TIMELINE = Timeline(begin_seconds=1795593600.0, end_seconds=1796198400.0, step_seconds=10260.0)
_DAY = [(1795593600.0 + 10260.0 * place, 0.6 + 0.4 * math.sin(place * 0.75)) for place in range(59) if place != 57]
TRACKED = ORDERS.replace(
    measured=measured(
        cpu_track=tuple((time, 0.97 * share) for time, share in _DAY),
        memory_track=tuple((time, round(500.0 * MIB * share / max(each for _, each in _DAY))) for time, share in _DAY),
    )
)
_HOSTILE_FINDING = Finding(
    rule="oom-killed",
    severity="critical",
    summary=HOSTILE,
    evidence=(HOSTILE,),
    advice=(Advice(variable="GOMEMLIMIT", value=HOSTILE, reason=HOSTILE),),
)
HOSTILE_REPORT = report_of(
    Row(
        key=Key(cluster=HOSTILE, namespace=HOSTILE, kind=HOSTILE, name=HOSTILE, container=HOSTILE),
        measured=measured(go=(HOSTILE,), sources=(HOSTILE,), series=((HOSTILE, HOSTILE),)),
        findings=(_HOSTILE_FINDING,),
        recommendations=(PROCS.replace(because=(HOSTILE,), doubt=HOSTILE),),
        sized=(Sized(what="cpu-limit", value=1.0, because=(HOSTILE,), confidence="high"),),
        upgrade=HOSTILE,
    ),
    engine=HOSTILE,
    time=HOSTILE,
    warnings=(HOSTILE,),
    refused=(HOSTILE,),
    not_joined=(NotJoined(why=HOSTILE, count=1, mend=HOSTILE),),
)
