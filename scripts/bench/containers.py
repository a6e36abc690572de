"""Whether the image grows, leaks files or misses a process while hundreds of Go processes come and go: as the sidecar beside a container
that starts them, or as the node agent of the machine that does; with the rights of the manifests, a fifth of a CPU and 64 MiB.

An hour at an interval of 15 s is 240 looks: 180 s at 1 s come near. Each process lives 0.1 to 6 s; whoever lives longer than two
intervals has to be in the log.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.deploy.manifests import kustomize, only
from tests.live import images
from tests.live.containers import Container, Podman, own_containers, podman, remove_empty_parents
from tests.support import goprograms, toolchains
from tests.support.serving import open_files, rss_bytes

INTERVAL_SECONDS = 1.0
AT_ONCE = 12
LIMIT_MIB = 45.0

# Runs in the container's network until its standard input ends: which pids were on the page, and how far apart two looks were at most.
_WATCH = """
import json, re, select, sys, urllib.request
seen, looks, longest = set(), set(), 0.0
while not select.select([sys.stdin], [], [], 0.25)[0]:
    page = urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=10).read().decode()
    seen.update(re.findall(r'^cgtune_go_info{.*?\\bpid="([0-9]+)"', page, flags=re.MULTILINE))
    looks.update(float(each) for each in re.findall(r"^cgtune_report_timestamp_seconds (.*)$", page, flags=re.MULTILINE))
    longest = max([longest, *map(float, re.findall(r"^cgtune_scan_duration_seconds (.*)$", page, flags=re.MULTILINE))])
looks = sorted(looks)
print(json.dumps([sorted(map(int, seen)), max(later - look for look, later in zip(looks, looks[1:])), longest]))
"""


def churn(seconds: float) -> dict[int, float]:
    """Start and end Go programs for so long; gives back how long each pid lived at most."""
    paths = [goprograms.build(version, package="./minimal") for version in toolchains.NEWEST if toolchains.is_present(version)]
    chance = random.Random(7)
    running: list[tuple[subprocess.Popen[bytes], float, float]] = []
    lived: dict[int, float] = {}
    began = time.monotonic()
    while (now := time.monotonic()) - began < seconds or running:
        while now - began < seconds and len(running) < AT_ONCE:
            silent = subprocess.DEVNULL
            program = subprocess.Popen([str(chance.choice(paths))], stdin=subprocess.PIPE, stdout=silent, stderr=silent)
            running.append((program, now, chance.choice((0.1, 0.3, 1.0, 2.5, 4.0, 6.0))))
        for entry in [entry for entry in running if now - entry[1] >= entry[2]]:
            program, started, _ = entry
            program.kill()
            program.communicate()
            lived[program.pid] = max(lived.get(program.pid, 0.0), now - started)
            running.remove(entry)
        time.sleep(0.02)
    return lived


def _start_sidecar(containers: Podman) -> tuple[Container, Callable[..., subprocess.Popen[str]]]:
    app = containers.start()
    spec = only(kustomize("sidecar", "sidecar-any-user"), "Deployment", "with-deployment")["spec"]["template"]["spec"]
    flags = ("--pid", f"container:{app.name}", *images.flags_of(spec, interval=f"{INTERVAL_SECONDS:g}s"))
    return containers.start(*images.SMALL, *flags, image=images.build_image(), argv=("serve",), network=f"container:{app.name}"), app.spawn


def _start_node_agent(containers: Podman) -> tuple[Container, Callable[..., subprocess.Popen[str]]]:
    spec = only(kustomize(), "DaemonSet")["spec"]["template"]["spec"]
    flags = (*images.mounts_of(spec), *images.flags_of(spec, interval=f"{INTERVAL_SECONDS:g}s"))
    # No CPU limit: the manifest has none, and what else runs on this machine is looked at as well.
    agent = containers.start("--memory", "64m", *flags, "--cgroupns", "private", image=images.build_image(), argv=("serve",))
    return agent, lambda *argv: subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


class Measured(NamedTuple):
    """What was seen of the image while processes came and went."""

    lived: dict[int, float]
    seconds: float
    cpu_percent: float
    rss_mib: list[float]
    files_before: int
    files_after: int
    on_page: set[int]
    gap_seconds: float
    longest_seconds: float
    code: int
    log: list[dict[str, Any]]


def observe(place: str, seconds: float) -> Measured:
    """Start the image, then the churn, and watch both to their end."""
    with own_containers() as containers:
        container, spawn = (_start_sidecar if place == "sidecar" else _start_node_agent)(containers)
        watch = ["nsenter", f"--net=/proc/{container.pid}/ns/net", sys.executable, "-c", _WATCH]
        time.sleep(3 * INTERVAL_SECONDS)
        watcher = subprocess.Popen(watch, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(INTERVAL_SECONDS)
        before = _files_at_rest(container.pid)
        driver = spawn(sys.executable, str(Path(__file__).resolve()), "--drive", f"{seconds:g}")
        spent, sizes, began = _cpu_seconds(container.pid), [], time.monotonic()
        while driver.poll() is None:
            sizes.append(rss_bytes(container.pid) / 2**20)
            time.sleep(INTERVAL_SECONDS)
        took = time.monotonic() - began
        spent = _cpu_seconds(container.pid) - spent
        lived = {int(pid): longest for pid, longest in json.loads(driver.communicate()[0]).items()}
        time.sleep(2 * INTERVAL_SECONDS)
        after = _files_at_rest(container.pid)
        on_page, gap, longest = json.loads(watcher.communicate("")[0])
        code = containers.stop(container)
        log = [json.loads(line) for line in podman("logs", container.name).stderr.splitlines()]
    remove_empty_parents()
    return Measured(lived, took, 100 * spent / took, sizes, before, after, set(on_page), gap, longest, code, log)


def measure(place: str, seconds: float) -> bool:
    """Print what became of the image meanwhile; True where it neither grew nor missed a process."""
    seen = observe(place, seconds)
    # The log leaves out what is beyond 100 changes in one look, and the page what went between two of the watcher's looks.
    came = {line["pid"] for line in seen.log if line["event"] == "process-came"} | seen.on_page
    troubles = [line["message"] for line in seen.log if line["event"] == "trouble"]
    # On a machine too busy to look once an interval, a miss is the machine's; that it was too busy is said, and counts.
    punctual = seen.gap_seconds < 2 * INTERVAL_SECONDS
    long_lived = {pid for pid, each in seen.lived.items() if each > max(2 * INTERVAL_SECONDS, seen.gap_seconds) + 0.1}
    third = len(seen.rss_mib) // 3
    early, late = max(seen.rss_mib[third : 2 * third]), max(seen.rss_mib[2 * third :])
    # Programs that are new to this machine take some for good; the sidecar sees none but those of the churn.
    most = 0.5 if place == "sidecar" else 2.0
    small, closed = late - early < most and late <= LIMIT_MIB, seen.files_after <= seen.files_before + 2
    calm = not troubles and seen.code == 0
    print(f"{place}: {len(seen.lived)} processes came and went within {seen.seconds:.0f} s, {AT_ONCE} at a time")
    print(f"memory     {early:.1f} MiB resident at most in the second third, {late:.1f} in the last   {_word(small)}")
    print(f"files      {seen.files_before} open before, {seen.files_after} afterwards   {_word(closed)}")
    missed = long_lived - came
    print(f"missed     {len(missed)} of {len(long_lived)} that lived longer than two intervals or looks   {_word(not missed)}")
    print(f"troubles   {len(troubles)} in the log, exit code {seen.code}   {_word(calm)}   {' '.join(troubles[:3])}")
    print(f"looks      every {INTERVAL_SECONDS:g} s, {seen.gap_seconds:.2f} s apart at most   {_word(punctual)}")
    print(f"cost       {seen.cpu_percent:.1f} % of one CPU; the longest look took {seen.longest_seconds:.2f} s")
    return small and closed and calm and punctual and not missed


def _word(good: bool) -> str:
    return "ok" if good else "OVER"


def _files_at_rest(pid: int) -> int:
    """The least of a second's counts: a look opens a few for each process."""
    counts = []
    for _ in range(40):
        counts.append(open_files(pid))
        time.sleep(0.05)
    return min(counts)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, print, and return 1 where something is over."""
    parser = argparse.ArgumentParser(prog="scripts/bench/containers", description="Does the image grow while processes come and go?")
    parser.add_argument("--drive", type=float, help=argparse.SUPPRESS)  # what the container beside it runs
    parser.add_argument("place", nargs="?", choices=("sidecar", "node-agent"), help="default: one after the other")
    parser.add_argument("seconds", nargs="?", type=float, default=180.0, help="how long; default: 180")
    options = parser.parse_args()
    if options.drive:
        print(json.dumps(churn(options.drive)))
        return 0
    places = [options.place] if options.place else ["sidecar", "node-agent"]
    verdicts = [measure(place, options.seconds) for place in places]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
