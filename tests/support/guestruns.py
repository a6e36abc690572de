"""scripts/bench/advice --guest: a server under CPU quotas on eight CPUs that this machine does not have (tests/support/guestmachine.py).

The module is both sides: ``measure`` starts the guest, and inside ``python -m tests.support.guestruns`` runs what is listed in
/results/jobs.json and writes a row for each into /results/cpu-guest.csv, and how fast each CPU is, before and after, into speeds.csv.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.live.cgroups import Group, own_groups
from tests.support import adviceruns, guestmachine, toolchains
from tests.support.adviceruns import Invalid, Serving

RESULTS, ROWS, SPEEDS = Path("/results"), "cpu-guest.csv", "speeds.csv"
VERSION = "1.27.3"
SPEED_ROUNDS, SPEED_TURNS = 3, 300_000
MOST_SPREAD = 0.15  # the fastest of the CPUs over the slowest
MOST_OVER = 0.06  # of the quota: what a cgroup may use beyond it, its first period included
MOST_LATE_MS = 2.0
#: Of a request beside its work: that of the recorded rows, so that a load in percent is the same load.
OVERHEAD_US = {"cpu": 170.0, "alloc": 400.0}
SPEED_COLUMNS = ("when", "cpu", "turns_us")


class Job(NamedTuple):
    """One run."""

    name: str
    kind: str
    quota: float
    load: float
    procs: int
    seed: int
    seconds: float
    burst_us: int = 0


def thread_counts(quota: float) -> list[int]:
    """GOMAXPROCS to compare: 1, the quota rounded down and up, one more than each, and all CPUs."""
    floor, ceil = int(quota), -int(-quota // 1)
    return sorted({max(1, floor), max(1, ceil), floor + 1, ceil + 1, len(guestmachine.MEASURED), *((1,) if quota < 2 else ())})


#: (kind, quota, load) of the quick form: cells of the recorded rows, whole quotas first.
QUICK_CELLS = (
    *(("cpu", 2.0, 80.0), ("cpu", 3.0, 85.0), ("alloc", 2.0, 75.0), ("cpu", 1.0, 60.0), ("cpu", 1.5, 80.0), ("cpu", 0.5, 57.0)),
    *(("cpu", 4.0, 85.0), ("alloc", 3.0, 75.0), ("alloc", 1.5, 75.0)),
)


def quick_jobs() -> Iterator[Job]:
    """Rounds over some cells, a seed each; the first cell is run twice with 3 threads, and half a CPU with a burst of one quota too."""
    for seed in range(41, 46):
        for number, (kind, quota, load) in enumerate(QUICK_CELLS):
            for procs in thread_counts(quota):
                yield Job("guest", kind, quota, load, procs, seed, 2.0)
            if number == 0:
                yield Job("rep", kind, quota, load, 3, seed, 2.0)
            if quota == 0.5:
                yield from (Job("guest", kind, quota, load, procs, seed, 2.0, 50_000) for procs in (1, 2, 8))


def full_jobs() -> Iterator[Job]:
    """All quotas from 0.5 to 4, loads up to saturation, five seeds, each with and without a burst of one quota."""
    for seed in range(41, 46):
        for kind in ("cpu", "alloc"):
            for quota in (0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0):
                for load in (60.0, 75.0, 85.0) if kind == "cpu" else (55.0, 70.0, 80.0):
                    for procs in thread_counts(quota):
                        yield Job("guest", kind, quota, load, procs, seed, 5.0)
                        yield Job("guest", kind, quota, load, procs, seed, 5.0, round(quota * adviceruns.PERIOD_US))
                if seed == 41:
                    yield from (Job("guest", kind, quota, 0.0, procs, seed, 3.0) for procs in thread_counts(quota))


def is_done(job: Job, rows: Sequence[Mapping[str, str]]) -> bool:
    """Whether a row of this job is there already."""
    wanted = (job.name, job.kind, f"{job.quota:g}", f"{job.load:g}", str(job.procs), str(job.seed), str(job.burst_us))
    names = ("id", "kind", "quota", "load_percent", "gomaxprocs_set", "seed", "burst_us")
    return any(tuple(row[name] for name in names) == wanted for row in rows)


def measure(folder: Path, seconds: float, *, is_full: bool, say: Callable[[str], None]) -> None:
    """Run the guest for at most so long and its start; its rows are in ``folder`` as they come, and what is there is not run again.

    Raises Impossible if there can be no such guest, and Invalid if it is no fair one.
    """
    from tests.support import evidence  # not for the inside: its start is slow enough

    machine = guestmachine.prepare()
    toolchains.fetch(VERSION)
    done = evidence.read_rows(folder / ROWS) if (folder / ROWS).exists() else []
    jobs = [job for job in (full_jobs() if is_full else quick_jobs()) if not is_done(job, done)]
    shutil.copy(adviceruns.build("server-nops", VERSION), folder / "server")
    (folder / "jobs.json").write_text(json.dumps([job._asdict() for job in jobs]))
    say(f"up to {len(jobs)} runs in a guest of QEMU {machine.version}, for {seconds / 60:.0f} min after it has started")
    argv = [sys.executable, "-m", "tests.support.guestruns", f"{seconds:.0f}"]
    if status := guestmachine.run(machine, argv, folder, round(seconds)):
        raise Invalid(f"the guest's program ended with {status}: the lines above say why")


# -- inside -------------------------------------------------------------------------------------------------------------------------------


def speeds(group: Group, program: Path, cpus: Sequence[int] = guestmachine.MEASURED) -> dict[int, float]:
    """How many turns of the server's loop each of these CPUs does in a microsecond while they all do and the others are idle."""
    adviceruns.prepare(group)  # the quota of the run before would be measured
    argv = [str(program), "calibrate", str(SPEED_ROUNDS), str(SPEED_TURNS)]
    started = {cpu: group.start_piped(["taskset", "-c", str(cpu), *argv], {"PATH": "/usr/bin:/bin"}) for cpu in cpus}
    return {cpu: float(process.communicate()[0]) for cpu, process in started.items()}


def spread(found: Mapping[int, float]) -> float:
    """How much faster the fastest CPU is than the slowest: 0 if all are equal."""
    return max(found.values()) / min(found.values()) - 1


def faults(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with a run: a quota that was not obeyed, requests that came late."""
    quota, wall = float(row["quota"]), float(row["wall_s"])
    allowed = quota * (wall + adviceruns.PERIOD_US / 1e6) + float(row["burst_us"]) / 1e6
    found = []
    if float(row["usage_s"]) > allowed * (1 + MOST_OVER):
        found.append(f"{row['usage_s']} s were used, and {allowed:.3f} s allowed")
    if float(row["latest_ms"]) > MOST_LATE_MS:
        found.append(f"a request was sent {row['latest_ms']} ms late")
    return found


def make_ready() -> None:
    """Load the module once the idle vCPUs are there, and leave CPU 0 to us and nobody on CPU 1."""
    (RESULTS / guestmachine.BOOTED).touch()
    while not (RESULTS / guestmachine.PLUGGED).exists():
        time.sleep(0.2)
    if why := (RESULTS / guestmachine.PLUGGED).read_text():
        raise Invalid(why)
    subprocess.run(["insmod", os.environ["CGTUNE_EQUALCPUS"]], check=True)
    Path("/sys/devices/system/cpu/cpu1/online").write_text("0")
    os.sched_setaffinity(0, {0})


def run_jobs(jobs: Sequence[Job], seconds: float) -> None:
    """Run these in turn until the time of the host is over."""
    end = _host_seconds() + seconds
    program = Path("/dev/shm/server")
    shutil.copy(RESULTS / "server", program)
    with own_groups() as groups, (RESULTS / ROWS).open("a", newline="") as out, (RESULTS / SPEEDS).open("w") as said:
        groups.make().limit_cpus(f"{guestmachine.MEASURED[0]}-{guestmachine.MEASURED[-1]}")
        group = groups.make("run")
        count = group.start_piped(["nproc"], {"PATH": "/usr/bin:/bin"}).communicate()[0]
        if int(count) != len(guestmachine.MEASURED):
            raise Invalid(f"the server's cgroup has {int(count)} CPUs")
        speed_rows = csv.writer(said)
        speed_rows.writerow(SPEED_COLUMNS)

        def note_speeds(when: str) -> float:
            found = speeds(group, program)
            speed_rows.writerows([when, cpu, f"{turns:.2f}"] for cpu, turns in found.items())
            said.flush()
            print(f"{when}: the fastest CPU is {100 * spread(found):.1f} % faster than the slowest", flush=True)
            if spread(found) > MOST_SPREAD:
                raise Invalid("the CPUs differ too much in speed")
            return statistics.mean(found.values())

        turns = note_speeds("before")
        alone = [speeds(group, program, [cpu]) for cpu in (guestmachine.MEASURED[0], guestmachine.MEASURED[-1])]
        speed_rows.writerows(["alone", cpu, f"{turns_us:.2f}"] for found in alone for cpu, turns_us in found.items())
        rows: csv.DictWriter[str] | None = None
        for number, job in enumerate(jobs):
            if _host_seconds() > end:
                break
            cell = Serving(job.kind, job.quota, job.load)
            row = adviceruns.run_serving(
                group, program, cell, job.procs, job.seed,
                turns=turns, seconds=job.seconds, overhead_us=OVERHEAD_US[job.kind], burst_us=job.burst_us,
                before_generator=("chrt", "--fifo", "1"),
            )  # fmt: skip
            row = {"id": job.name, "go": VERSION.rpartition(".")[0]} | row
            if rows is None:
                rows = csv.DictWriter(out, list(row))
                if not out.tell():
                    rows.writeheader()
            wrong = faults(row)
            if not wrong:
                rows.writerow(row)
                out.flush()
            used = float(row["usage_s"]) / float(row["wall_s"]) / job.quota
            words = f"{job.kind}, {job.quota:g} CPUs, load {job.load:g} %, GOMAXPROCS {job.procs}: p99 {row['p99_ms']} ms, used {used:.2f}"
            print(f"{number + 1} of {len(jobs)}: {words}{''.join(f', LEFT OUT: {one}' for one in wrong)}", flush=True)
        note_speeds("after")


def _host_seconds() -> float:
    """The host's clock: the guest's own knows nothing of how long it takes. A file in /results has the host's time."""
    mark = RESULTS / "clock"
    mark.write_text("")
    return mark.stat().st_mtime


if __name__ == "__main__":
    try:
        make_ready()
        run_jobs([Job(**job) for job in json.loads((RESULTS / "jobs.json").read_text())], float(sys.argv[1]))
    except Invalid as error:
        sys.exit(f"guest: {error}")
