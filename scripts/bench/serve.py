"""What ``cgtune serve`` costs: CPU time and memory beside 50 real Go programs, with a scrape in every interval; or, with --churn, whether
it grows, leaks files or misses a process while hundreds of processes come and go.

CPU time is user and system time of the service alone, from /proc/PID/stat: it does not matter how busy the machine is otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.live.cgroups import Groups, own_groups
from tests.support import goprograms, toolchains
from tests.support.serving import Service, open_files, rss_bytes

PROGRAMS = 50
INTERVAL_SECONDS = 15.0
CPU_PERCENT = 1.0
RSS_MIB, RSS_MIB_EACH = 24.5, 0.031  # 26 beside 50 programs, 40 beside 500
VERSIONS = ("1.21.13", "1.24.11", "1.25.5", "1.26.6", "1.27.3")
SLEEP = "sleep 3600000"


def cpu_seconds(pid: int) -> float:
    """User plus system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def go_programs(count: int) -> Iterator[list[int]]:
    """The pids of so many Go programs of several versions, each in a group of its own below one of five parents where that can be."""
    paths = [goprograms.build(version) for version in VERSIONS if toolchains.is_present(version)]
    if not paths:
        sys.exit("serve: no Go toolchain in the cache; scripts/toolchain fetches them")
    with contextlib.ExitStack() as stack:
        groups = stack.enter_context(own_groups()) if os.geteuid() == 0 else None
        programs = []
        for number in range(count):
            words = [str(paths[number % len(paths)]), SLEEP]
            programs.append(_start(groups, number, words))
            stack.callback(programs[-1].wait)
            stack.callback(programs[-1].kill)
        time.sleep(2)
        assert all(program.poll() is None for program in programs)
        yield [program.pid for program in programs]


def _start(groups: Groups | None, number: int, words: list[str]) -> subprocess.Popen[bytes]:
    environ = {"GOMAXPROCS": "8"} if number % 2 else {}
    if groups is None:
        silent = subprocess.DEVNULL
        return subprocess.Popen(words, stdin=silent, stdout=silent, env={**os.environ, **environ})
    group = groups.make(f"pod{number % 5}", f"app{number}")
    group.limit_cpu(50_000 * (1 + number % 4))
    group.limit_memory((64 + number) << 20)
    return group.start(words, **environ)


def most_rss_mib(programs: int) -> float:
    """What the service may have resident beside so many Go programs."""
    return RSS_MIB + RSS_MIB_EACH * programs


def measure_cost(seconds: float, programs: int) -> bool:
    """Print what the service costs over so many seconds; True where it stays within its budget."""
    with go_programs(programs) as pids, Service("--interval", f"{INTERVAL_SECONDS:g}s") as service:
        service.wait_for(lambda: service.fetch("/readyz").status == 200, seconds=120)
        others = sum(name.name.isdigit() for name in Path("/proc").iterdir()) - len(pids)
        began, spent, rss, scans = time.monotonic(), cpu_seconds(service.pid), 0, []
        while time.monotonic() - began < seconds:
            time.sleep(min(INTERVAL_SECONDS, seconds))
            scans.append(service.metrics()["cgtune_scan_duration_seconds"][0][1])
            rss = max(rss, rss_bytes(service.pid))
        missing = {str(pid) for pid in pids} - {labels["pid"] for labels, _ in service.metrics()["cgtune_go_info"]}
        took = time.monotonic() - began
        spent = cpu_seconds(service.pid) - spent
        sizes: list[int] = []
        for _ in range(3):
            sizes = [len(service.fetch(path).body) for path in ("/report", "/metrics", "/")]
            time.sleep(min(INTERVAL_SECONDS, seconds))
        asked = rss_bytes(service.pid)
        percent = 100 * spent / took
        service.stop()
    most = most_rss_mib(len(pids))
    most_percent = CPU_PERCENT * max(1.0, programs / PROGRAMS)
    verdicts = (percent <= most_percent, rss / 2**20 <= most, not missing)
    print(
        f"{len(pids)} Go programs ({', '.join(VERSIONS)}) beside {others} other processes, a look and a scrape every {INTERVAL_SECONDS:g} s"
    )
    print(f"CPU        {percent:6.2f} % of one CPU over {took:.0f} s   (at most {most_percent:g})   {_word(verdicts[0])}")
    print(f"memory     {rss / 2**20:6.1f} MiB resident at most       (at most {most:g})   {_word(verdicts[1])}")
    kib = "/".join(f"{size >> 10}" for size in sizes)
    print(f"           {asked / 2**20:6.1f} MiB after its report, metrics and page were asked for thrice, of {kib} KiB")
    print(
        f"scan       {1000 * statistics.median(scans):6.0f} ms of wall time, median of {len(scans)}; the longest {1000 * max(scans):.0f} ms"
    )
    print(f"programs   {len(pids) - len(missing):6} of {len(pids)} in the report   {_word(verdicts[2])}")
    return all(verdicts)


def measure_churn(seconds: float, *, interval_seconds: float = 1.0, at_once: int = 12) -> bool:
    """Print whether the service grows while processes come and go all the time; True where it does not, and missed none.

    An hour at an interval of 15 s is 240 scans: 180 s at 1 s come near. Each program lives 0.1 to 6 s. Whoever is there when a page is
    asked for has to be in every page from three scans later on: the next scan may be under way, and the last one is counted a moment before
    it shows.
    """
    paths = [goprograms.build(version, package="./minimal") for version in VERSIONS if toolchains.is_present(version)]
    chance = random.Random(7)
    running: list[_Lived] = []
    ended = 0
    expected: set[int] = set()
    missed: dict[int, float] = {}
    sizes: list[tuple[int, int]] = []
    with Service("--interval", f"{interval_seconds:g}s") as service:
        service.wait_for_report(seconds=120)
        began = time.monotonic()
        while time.monotonic() - began < seconds or running:
            now = time.monotonic()
            while now - began < seconds and len(running) < at_once:
                words = [str(chance.choice(paths))]
                program = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                running.append(_Lived(program, now, chance.choice((0.1, 0.3, 1.0, 2.5, 4.0, 6.0))))
            for one in [one for one in running if now - one.since >= one.seconds]:
                if not one.end():
                    print("a program ended by itself")
                ended += 1
                running.remove(one)
            if len(sizes) < 2 * (now - began) / interval_seconds:
                metrics = service.metrics()
                # Not from the log: where other tests start a hundred programs at once, it does not name each of them
                seen = {labels["pid"] for labels, _ in metrics.get("cgtune_go_info", [])}
                scans = metrics["cgtune_scans_total"][0][1]
                for one in running:
                    if one.first_scan is None:
                        one.first_scan = scans
                    elif scans >= one.first_scan + 3:
                        expected.add(one.program.pid)
                        if str(one.program.pid) not in seen:
                            missed.setdefault(one.program.pid, scans)
                sizes.append((rss_bytes(service.pid), open_files(service.pid)))
            time.sleep(0.02)
        time.sleep(2 * interval_seconds)
        errors = service.metrics()["cgtune_scan_errors_total"][0][1]
        troubles = service.events("trouble")
        service.stop()
    print(f"{ended} processes came and went within {seconds:g} s, {at_once} at a time; a look every {interval_seconds:g} s")
    steady = _is_steady(sizes)
    found = bool(expected) and not missed
    print(f"missed     {len(missed)} of {len(expected)} that lived for three looks   {_word(found)} {missed or ''}")
    print(f"failed     {errors:g} scans, {len(troubles)} troubles in the log   {_word(not errors)}")
    return steady and found and not errors


class _Lived:
    """A program that lives so many seconds. ``first_scan`` is what the first page counted that was asked for when it was there."""

    def __init__(self, program: subprocess.Popen[bytes], since: float, seconds: float) -> None:
        self.program, self.since, self.seconds = program, since, seconds
        self.first_scan: float | None = None

    def end(self) -> bool:
        """End it; whether it lived until now."""
        lived = self.program.poll() is None
        self.program.kill()
        self.program.wait()
        assert self.program.stdin is not None
        self.program.stdin.close()
        return lived


def _is_steady(sizes: list[tuple[int, int]]) -> bool:
    """Print whether memory and open files, in the order in which they were seen, grew towards the end; True where neither did."""
    second, last = (sizes[len(sizes) * part // 3 : len(sizes) * (part + 1) // 3] for part in (1, 2))
    early, late = (max(rss for rss, _ in third) for third in (second, last))
    # Some dozen are open while it looks: what a leak is, is open all the time
    files_before, files = (min(count for _, count in third) for third in (second, last))
    growth = late - early < 4 << 20 and late / 2**20 <= most_rss_mib(PROGRAMS)
    leak = files > files_before + 4
    print(f"memory     {early / 2**20:.1f} MiB at most in the second third, {late / 2**20:.1f} in the last   {_word(growth)}")
    print(f"files      {files_before} open at least in the second third, {files} in the last   {_word(not leak)}")
    return growth and not leak


def _word(good: bool) -> str:
    return "ok" if good else "OVER"


def main() -> int:
    """Measure, print, and return 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench/serve", description="What cgtune serve costs.")
    parser.add_argument("--churn", action="store_true", help="processes come and go all the time: does it grow?")
    parser.add_argument("--programs", type=int, default=PROGRAMS, help=f"beside how many Go programs; default: {PROGRAMS}")
    parser.add_argument("seconds", nargs="?", type=float, help="how long to measure; default: 300, with --churn 180")
    options = parser.parse_args()
    if options.churn:
        return 0 if measure_churn(options.seconds or 180.0) else 1
    return 0 if measure_cost(options.seconds or 300.0, options.programs) else 1


if __name__ == "__main__":
    sys.exit(main())
