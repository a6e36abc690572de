"""What the grouped questions of ``cgtune fleet`` cost beside five questions about each container by itself: one run, one Prometheus.

The client is a process of its own that asks (two questions at a time, in both ways), parses and joins; CPU time and memory are from the
kernel. Samples read are Prometheus's own count (``stats=all``), which has of a subquery its points, and not the samples that these are made
of. Static series have a sample an hour.
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
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cgtune.fleet.asked import Asked, steps_of
from cgtune.fleet.asking import ask
from cgtune.fleet.joining import join
from cgtune.fleet.model import Query
from cgtune.fleet.probe import probe_query, read_probe
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


def wait_for_compaction(data: Path) -> None:
    """Until blocks of two hours have become larger ones, as they do in a server that runs: it begins a minute after its start."""
    time.sleep(75)
    before = -1
    while before != (blocks := sum((each / "meta.json").exists() for each in data.iterdir())):
        before = blocks
        time.sleep(20)
    print(f"  {blocks} blocks", flush=True)


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def ask_all(url: str, end: int, asked: Asked) -> None:
    """The client, in a process of its own: prints its rows, its questions, how long it took, its CPU seconds and its peak in MiB."""
    began = time.monotonic()
    with contextlib.closing(Client(read_access(AccessOptions(url=url), {}))) as client:
        (probe,) = ask(client, (probe_query(asked),), now=float(end)).answers
        seen = read_probe(probe)
        queries = build_queries(asked, seen)
        answers = ask(client, queries, now=float(end)).answers
    assert not any(answer.error for answer in answers), answers
    joined = join(answers, seen)
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = time.monotonic() - began
    print(json.dumps([len(joined.rows), len(queries) + 1, took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))


def _read(engine: Engine, queries: list[Query], end: int) -> int:
    return sum(engine.ask_raw(each.promql, end, stats="all")["data"]["stats"]["samples"]["totalQueryableSamples"] for each in queries)


def measure(containers: int, days: float, *, recorded: bool) -> tuple[Cost, Cost]:
    """Grouped, and one by one; printed as they are found."""
    end = int(time.time()) // 3600 * 3600
    asked = Asked(window_seconds=int(days * 86400))
    begin = end - asked.window_seconds - 3600
    services = fleet(containers)
    series = chain(chain.from_iterable(series_of(each, begin, end) for each in services), machine(begin, end))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        began = time.monotonic()
        with prometheus(chain(series, record(services, begin, end)) if recorded else series, Path(place)) as engine:
            wait_for_compaction(Path(place) / "data")
            print(f"{containers} containers over {days:g} days at 60 s: made in {time.monotonic() - began:.0f} s", flush=True)
            before = server_cpu_seconds(engine.pid)
            words = [sys.executable, __file__, "--client", engine.url, str(end), str(asked.window_seconds)]
            rows, count, wall, cpu, mib = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
            spent, peak = server_cpu_seconds(engine.pid) - before, _peak_mib(engine.pid)
            queries = [probe_query(asked), *build_queries(asked, read_probe(engine.ask(probe_query(asked), end)))]
            grouped = Cost(count, wall, cpu, mib, spent, _read(engine, queries, end))
            assert rows == len(services), rows
            pods = [(each.namespace, pod) for each in services for pod, _, _, last in each.pods() if last == 1]
            some = pods[:: max(1, len(pods) // _ALONE)][:_ALONE]
            before, began = server_cpu_seconds(engine.pid), time.monotonic()
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda each: [engine.ask(query, end) for query in alone(asked, *each)], some))
            wall, spent = time.monotonic() - began, server_cpu_seconds(engine.pid) - before
            read = sum(_read(engine, alone(asked, *each), end) for each in some)
            times = len(pods) / len(some)
            single = Cost(5 * len(pods), wall * times, 0.0, 0.0, spent * times, int(read * times))
    steps = steps_of(asked.window_seconds)
    print(f"  steps {steps.peak} s for peaks, {steps.quantile} s for quantiles; {rows} rows; the server's peak {peak:.0f} MiB")
    print(f"  grouped     {_words(grouped)}; client {cpu:.2f} s CPU, {mib:.0f} MiB")
    print(f"  one by one  {_words(single)}; reckoned from {len(some)} of {len(pods)}", flush=True)
    return grouped, single


def _words(cost: Cost) -> str:
    return (
        f"{cost.queries:6} questions, {cost.wall_seconds:8.2f} s, server {cost.server_cpu_seconds:8.2f} s CPU, {cost.read:12,} samples read"
    )


def main() -> int:
    """All sizes, and what was promised of 2,000 containers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--containers", default="200,2000")
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--recorded", action="store_true", help="with the series of deploy/prometheus/cgtune-fleet.rules.yaml")
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        url, end, window = options.client
        ask_all(url, int(end), Asked(window_seconds=int(window)))
        return 0
    is_kept, before = True, None
    for containers in map(int, options.containers.split(",")):
        grouped, single = measure(containers, options.days, recorded=options.recorded)
        verdicts = {
            f"at most {MOST_QUERIES} questions": grouped.queries <= MOST_QUERIES,
            "at most a third of the samples": grouped.read <= READ_SHARE * single.read,
            "at most a tenth of the time": grouped.wall_seconds <= WALL_SHARE * single.wall_seconds,
        }
        if containers <= 2000:
            verdicts["at most 1 s of the client's CPU"] = grouped.client_cpu_seconds <= CLIENT_CPU_SECONDS
            verdicts["at most 80 MiB"] = grouped.client_mib <= CLIENT_MIB
        if before is not None:
            times = containers / before[0]
            verdicts["server's CPU grows no faster than the fleet"] = grouped.server_cpu_seconds <= 1.1 * times * before[1]
        before = (containers, grouped.server_cpu_seconds)
        print("  " + "; ".join(f"{name}: {'ok' if held else 'MISSED'}" for name, held in verdicts.items()), flush=True)
        is_kept = is_kept and all(verdicts.values())
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
