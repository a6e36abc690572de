"""What the grouped questions of ``cgtune fleet`` cost beside five questions about each container by itself: one run, one Prometheus.

It holds the raw series and those of the recording rules, and the grouped questions are put twice: as if there were no rules, and with them.
The client is a process of its own that asks (two questions at a time, in all ways), parses and joins; CPU time and memory are from the
kernel. The ways are gone in turn, three times, and of each the shortest time and the least CPU time count. Samples read are Prometheus's
own count (``stats=all``), which has of a subquery its points, and not the samples that these are made of. Blocks are of 18 hours, as in a
server that keeps 15 days or less. What stands still has a sample an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cgtune.fleet.asked import Asked, steps_of
from cgtune.fleet.asking import ask
from cgtune.fleet.joining import join
from cgtune.fleet.model import Answer, Query
from cgtune.fleet.names import RECORDED
from cgtune.fleet.probe import Seen, probe_queries, read_probe
from cgtune.fleet.queries import MOST_QUERIES, build_queries
from cgtune.system.promaccess import AccessOptions, read_access
from cgtune.system.promclient import Client
from tests.support.engines import Engine, prometheus
from tests.support.fleetdata import fleet, machine, record, series_of

CLIENT_CPU_SECONDS, CLIENT_MIB, READ_SHARE, WALL_SHARE = 1.0, 80.0, 1 / 3, 1 / 10
_ALONE = 40  # containers that are asked about one by one; the rest is reckoned from them
_STEP = "75s"  # krr's


class Cost(NamedTuple):
    """Of one way to ask."""

    queries: int
    wall_seconds: float
    client_cpu_seconds: float
    client_mib: float
    server_cpu_seconds: float
    server_mib: float
    read: int


def alone(asked: Asked, namespace: str, pod: str) -> list[Query]:
    """The five questions of a right-sizer about one container: CPU and memory as krr asks, how much history each has, and throttling."""
    where = f'namespace="{namespace}",pod="{pod}",container="app"'
    over = f"[{asked.window_seconds}s:{_STEP}]"
    cpu = f"max(rate(container_cpu_usage_seconds_total{{{where}}}[5m])) by (container,pod,job)"
    memory = f"max(container_memory_working_set_bytes{{{where}}}) by (container,pod,job)"
    throttled = f"rate(container_cpu_cfs_throttled_periods_total{{{where}}}[5m]) / rate(container_cpu_cfs_periods_total{{{where}}}[5m])"
    return [
        Query(name="cpu", promql=f"quantile_over_time(0.95,{cpu}{over})"),
        Query(name="memory", promql=f"max_over_time({memory}{over})"),
        Query(name="cpu_points", promql=f"count_over_time({cpu}{over})"),
        Query(name="memory_points", promql=f"count_over_time({memory}{over})"),
        Query(name="throttled", promql=f"quantile_over_time(0.95,({throttled}){over})"),
    ]


def server_cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def _seen(engine_answers: Iterable[Answer], *, is_recorded: bool) -> tuple[Seen, ...]:
    return tuple(each for each in read_probe(engine_answers) if is_recorded or each.name not in RECORDED)


def ask_all(url: str, end: int, asked: Asked, *, is_recorded: bool) -> None:
    """The client, in a process of its own: prints its rows, its requests, how long it took, its CPU seconds and its peak in MiB."""
    began = time.monotonic()
    with contextlib.closing(Client(read_access(AccessOptions(url=url), {}))) as client:
        probe = ask(client, probe_queries(asked), now=float(end))
        seen = _seen(probe.answers, is_recorded=is_recorded)
        replies = ask(client, build_queries(asked, seen), now=float(end), after=probe)
    assert not any(answer.error for answer in replies.answers), replies.answers
    joined = join(replies.answers, seen)
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = time.monotonic() - began
    # One request is for the server's name
    print(json.dumps([len(joined.rows), replies.requests - 1, took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))


def _read(engine: Engine, queries: Iterable[Query], end: int) -> int:
    return sum(engine.ask_raw(each.promql, end, stats="all")["data"]["stats"]["samples"]["totalQueryableSamples"] for each in queries)


def _least(costs: Iterable[Cost]) -> Cost:
    return Cost(*map(min, zip(*costs, strict=True)))


def _grouped(engine: Engine, end: int, asked: Asked, rows: int, *, is_recorded: bool) -> Cost:
    before = server_cpu_seconds(engine.pid)
    Path(f"/proc/{engine.pid}/clear_refs").write_text("5")  # its peak begins anew
    words = [sys.executable, __file__, "--client", engine.url, str(end), str(asked.window_seconds), str(int(is_recorded))]
    found, count, wall, cpu, mib = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    assert found == rows, (found, rows)
    return Cost(count, wall, cpu, mib, server_cpu_seconds(engine.pid) - before, _peak_mib(engine.pid), 0)


def _alone(engine: Engine, end: int, asked: Asked, pods: Sequence[tuple[str, str]]) -> Cost:
    """Of some, reckoned for all."""
    some = pods[:: max(1, len(pods) // _ALONE)][:_ALONE]
    Path(f"/proc/{engine.pid}/clear_refs").write_text("5")
    before, began = server_cpu_seconds(engine.pid), time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda each: [engine.ask(query, end) for query in alone(asked, *each)], some))
    wall, spent, times = time.monotonic() - began, server_cpu_seconds(engine.pid) - before, len(pods) / len(some)
    return Cost(5 * len(pods), wall * times, 0.0, 0.0, spent * times, _peak_mib(engine.pid), 0)


def measure(containers: int, days: float, store: Path | None, rounds: int) -> tuple[Cost, Cost, Cost]:
    """Grouped, grouped with the rules' series, and one by one; printed as they are found."""
    services = fleet(containers)
    asked = Asked(window_seconds=int(days * 86400))
    with contextlib.ExitStack() as stack:
        place = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp"))) if store is None else store / f"{containers}-{days:g}"
        )
        place.mkdir(parents=True, exist_ok=True)
        began, is_made = time.monotonic(), (place / "end").exists()
        if not is_made:
            (place / "end").write_text(str(int(time.time()) // 3600 * 3600))
        end = int((place / "end").read_text())
        begin = end - asked.window_seconds - 3600
        raw = chain.from_iterable(series_of(each, begin, end) for each in services)
        series = () if is_made else chain(raw, machine(begin, end), record(services, begin, end))
        engine = stack.enter_context(prometheus(series, place, hours=18))
        made = "read from the store" if is_made else f"made in {time.monotonic() - began:.0f} s"
        print(f"{containers} containers over {days:g} days at 60 s: {made}", flush=True)
        pods = [(each.namespace, pod) for each in services for pod, _, _, last in each.pods() if last == 1]
        ways: list[Callable[[], Cost]] = [
            lambda: _grouped(engine, end, asked, len(services), is_recorded=False),
            lambda: _grouped(engine, end, asked, len(services), is_recorded=True),
            lambda: _alone(engine, end, asked, pods),
        ]
        rounds = [[way() for way in ways] for _ in range(rounds)]
        found = [_least(costs) for costs in zip(*rounds, strict=True)]
        probe = engine.ask_each(probe_queries(asked), end)
        for place_of, is_recorded in enumerate((False, True)):
            queries = [*probe_queries(asked), *build_queries(asked, _seen(probe, is_recorded=is_recorded))]
            found[place_of] = found[place_of]._replace(read=_read(engine, queries, end))
        some = pods[:: max(1, len(pods) // _ALONE)][:_ALONE]
        read = sum(_read(engine, alone(asked, *each), end) for each in some)
        found[2] = found[2]._replace(read=int(read * len(pods) / len(some)))
    steps = steps_of(asked.window_seconds)
    print(f"  steps {steps.peak} s for peaks, {steps.quantile} s for quantiles; {len(services)} rows")
    print(f"  grouped     {_words(found[0])}")
    print(f"  with rules  {_words(found[1])}")
    print(f"  one by one  {_words(found[2])}; reckoned from {len(some)} of {len(pods)}", flush=True)
    return found[0], found[1], found[2]


def _words(cost: Cost) -> str:
    client = f"; client {cost.client_cpu_seconds:.2f} s CPU, {cost.client_mib:.0f} MiB" if cost.client_mib else ""
    server = f"server {cost.server_cpu_seconds:8.2f} s CPU, {cost.server_mib:5.0f} MiB at its peak"
    return f"{cost.queries:6} questions, {cost.wall_seconds:8.2f} s, {server}, {cost.read:12,} samples read{client}"


def main() -> int:
    """All fleets, and what was promised of 2,000 containers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fleets", default="200:7,2000:7", help="containers:days")
    parser.add_argument("--store", type=Path, help="keeps what is made there, and reads it if it is there")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is gone; the least counts")
    parser.add_argument("--client", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        url, end, window, is_recorded = options.client
        ask_all(url, int(end), Asked(window_seconds=int(window)), is_recorded=is_recorded == "1")
        return 0
    is_kept, before = True, dict[float, tuple[int, Cost]]()
    for words in options.fleets.split(","):
        containers, days = int(words.partition(":")[0]), float(words.partition(":")[2])
        grouped, ruled, single = measure(containers, days, options.store, options.rounds)
        verdicts = {
            f"at most {MOST_QUERIES} questions": grouped.queries <= MOST_QUERIES,
            "at most a third of the samples": grouped.read <= READ_SHARE * single.read,
            "at most a tenth of the time": grouped.wall_seconds <= WALL_SHARE * single.wall_seconds,
            "at most a tenth of the time with rules": ruled.wall_seconds <= WALL_SHARE * single.wall_seconds,
        }
        if containers <= 2000:
            verdicts["at most 1 s of the client's CPU"] = grouped.client_cpu_seconds <= CLIENT_CPU_SECONDS
            verdicts["at most 80 MiB"] = grouped.client_mib <= CLIENT_MIB
        if days in before:
            least, cost = before[days]
            verdicts["server's CPU grows no faster than the fleet"] = (
                grouped.server_cpu_seconds <= 1.1 * containers / least * cost.server_cpu_seconds
            )
        before[days] = (containers, grouped)
        print("  " + "; ".join(f"{name}: {'ok' if held else 'MISSED'}" for name, held in verdicts.items()), flush=True)
        is_kept = is_kept and all(verdicts.values())
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
