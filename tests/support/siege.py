"""Everything at once: attackers of every kind beside honest Go programs, and a service that tells of these as if nobody else were there.

The service has the memory limit of its own manifests, all attackers together one CPU and 2 GiB, so that the service is tried, and not the
scheduler. Run for minutes by scripts/bench/siege; its share in the tests takes seconds.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.live.cgroups import Group, Groups, own_groups, remove_group
from tests.support import goprograms, toolchains
from tests.support.command import PROGRAM, ROOT, environment
from tests.support.hostile import holders, make_fat_programs, make_long_file, make_sparse_libraries, make_table_programs, scene
from tests.support.serving import Samples, Service, parse_metrics
from tests.support.stalling import Stalling, stalling

MEMORY_BYTES = 96 << 20  # deploy/kustomize, deploy/helm
MOST_SCRAPE_SECONDS = 1.0
MOST_END_SECONDS = 2.0
_INTERVAL_SECONDS = 3.0
_ATTACKERS_BYTES = 2 << 30
_COMMAND_SECONDS = 180  # of wall time, on machines where many are busy: what it costs is printed
_VERSIONS = ("1.21.13", "1.24.11", "1.25.5", "1.26.6", "1.27.3")

#: What is said of a program that neither its load nor its neighbours change.
_STEADY = (
    "cgtune_gomaxprocs_",
    "cgtune_gomemlimit_",
    "cgtune_gogc_",
    "cgtune_go_info",
    "cgtune_cpu_limit_cores",
    "cgtune_memory_limit_bytes",
)
_UNSTEADY = "recommended"  # of GOMEMLIMIT: it follows what is used

_CHURN = "while :; do i=0; while [ $i -lt 40 ]; do /bin/true & i=$((i+1)); done; wait; done"


class Outcome(NamedTuple):
    """What came of a siege. ``wrong`` are the scrapes in which an honest program was missing or something else was said of it, each with
    what; ``failed`` the commands and requests that did not answer as they should; times are in seconds of wall time, but for
    ``cpu_seconds`` of the service and ``command_seconds`` of the dearest command.
    """

    scrapes: int
    wrong: tuple[str, ...]
    failed: tuple[str, ...]
    scrape_seconds: tuple[float, ...]
    health_seconds: tuple[float, ...]
    age_seconds: tuple[float, ...]
    scans: int
    commands: int
    command_seconds: float
    cpu_seconds: float
    peak_bytes: int
    kills: int
    end_seconds: float
    left: int


@contextlib.contextmanager
def _honest(groups: Groups, count: int) -> Iterator[list[int]]:
    """The pids of so many Go programs of several versions that sleep, each in a group of its own with limits."""
    paths = [goprograms.build(version) for version in _VERSIONS if toolchains.is_present(version)]
    with contextlib.ExitStack() as stack:
        programs = []
        for number in range(count):
            group = groups.make("honest", f"app{number}")
            group.limit_cpu(50_000 * (1 + number % 4))
            group.limit_memory((64 + number) << 20)
            environ = {"GOMAXPROCS": str(1 + number % 7)} if number % 2 else {"GOMEMLIMIT": f"{40 + number}MiB"}
            programs.append(group.start([str(paths[number % len(paths)]), "sleep 3600000"], **environ))
            stack.callback(programs[-1].kill)
        yield [program.pid for program in programs]


def _repeat(stop: threading.Event, stack: contextlib.ExitStack, work: Callable[[], object], pause_seconds: float) -> None:
    """Do this again and again in a thread until it is stopped."""

    def run() -> None:
        while not stop.wait(pause_seconds):
            with contextlib.suppress(OSError):
                work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    stack.callback(thread.join)
    stack.callback(stop.set)


@contextlib.contextmanager
def _in_group(group: Group) -> Iterator[None]:
    """Whatever is started meanwhile is put into a group: this process goes there and comes back."""
    places = {place: place.joinpath(*[".."] * len(Path(group.path).parts[1:])).resolve() for place in group.directories()}
    for place in places:
        (place / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield
    finally:
        for home in places.values():
            (home / "cgroup.procs").write_text(str(os.getpid()))


@contextlib.contextmanager
def _deep_groups(group: Group, depth: int) -> Iterator[None]:
    """A process in so many nested cgroups of the CPU controller."""
    top = group.directories()[0] / "deep"
    place, made = os.open(group.directories()[0], os.O_RDONLY | os.O_DIRECTORY), []
    sleeper = subprocess.Popen(["sleep", "36000"])
    try:
        for number in range(depth):
            name = "deep" if not number else "d"
            os.mkdir(name, dir_fd=place)
            made.append(place)
            place = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=place)
        for name in ("cpuset.cpus", "cpuset.mems") if (top / "cpuset.cpus").exists() else ():
            (top / name).write_text((top.parent / name).read_text())
        file = os.open("cgroup.procs", os.O_WRONLY, dir_fd=place)
        with contextlib.suppress(OSError):
            os.write(file, str(sleeper.pid).encode())
        os.close(file)
        yield
    finally:
        sleeper.kill()
        sleeper.wait()
        os.close(place)
        for number, parent in reversed(list(enumerate(made))):
            for _attempt in range(200):
                try:
                    os.rmdir("deep" if not number else "d", dir_fd=parent)
                    break
                except OSError:
                    time.sleep(0.01)
            os.close(parent)


def _touch(folders: list[Path]) -> None:
    """Make each file in these folders another one."""
    for folder in folders:
        for file in folder.iterdir():
            os.utime(file)


def _stall(system: Stalling, stop: threading.Event) -> None:
    """A file system that answers nothing for five seconds, and then all."""
    system.stall("lookup", "getattr", "open", "read")
    stop.wait(5.0)
    system.answer()


def _churn_groups(group: Group) -> None:
    """Cgroups that come and go."""
    for number in range(50):
        for place in group.directories():
            (place / f"churn{number}").mkdir(exist_ok=True)
    for number in range(50):
        for place in group.directories():
            remove_group(place / f"churn{number}")


def crowd(address: str, idle: int) -> None:
    """So many idle connections, each opened again as soon as it is closed; fifty that send a byte now and then, fifty that ask and never
    take an answer. Until it is killed.
    """
    host, port = address.rsplit(":", 1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    asked = {"idle": b"", "send": b"GET /metrics HTTP/1.1\r\nX: ", "read": b"GET /report HTTP/1.1\r\nHost: x\r\n\r\n" * 20}
    opened = {kind: list[socket.socket]() for kind in asked}
    while True:
        for kind, most in (("idle", idle), ("send", 50), ("read", 50)):
            opened[kind] = [one for one in opened[kind] if _is_open(one, kind)]
            with contextlib.suppress(OSError):
                while len(opened[kind]) < most:
                    one = socket.create_connection((host, int(port)), timeout=1)
                    opened[kind].append(one)
                    one.setblocking(False)
                    one.send(asked[kind])
        time.sleep(0.1)


def _is_open(one: socket.socket, kind: str) -> bool:
    try:
        if kind == "send":
            one.send(b"x")
        if kind != "read" and one.recv(1) == b"":
            raise ConnectionResetError
    except BlockingIOError:
        return True
    except OSError:
        one.close()
        return False
    return True


@contextlib.contextmanager
def _attackers(folder: Path, groups: Groups, address: str, *, scale: int) -> Iterator[None]:
    """All of them, more of each with a larger ``scale`` (1 to 4)."""
    group = groups.make("attackers")
    group.limit_cpu(100_000)
    group.limit_memory(_ATTACKERS_BYTES)
    stop = threading.Event()
    with contextlib.ExitStack() as stack:
        stack.callback(stop.set)
        touched = [folder / "fat", folder / "sparse", folder / "tables"]
        make_fat_programs(touched[0], 16)
        make_sparse_libraries(touched[1], 25 * scale)
        make_table_programs(touched[2], 4 * scale)
        (folder / "short").touch()
        os.truncate(folder / "short", 65_000 * os.sysconf("SC_PAGE_SIZE"))
        long = make_long_file(folder, 65_000)
        (folder / "mounts").mkdir()
        name = folder / 'a\n\x1b[31m\u202e{evil="1"}\\'
        shutil.copy(goprograms.build(next(version for version in _VERSIONS if toolchains.is_present(version))), name)
        with _in_group(group):
            program = "import sys; from tests.support.siege import crowd; crowd(sys.argv[1], int(sys.argv[2]))"
            clients = subprocess.Popen([sys.executable, "-c", program, address, str(250 * scale)], cwd=ROOT)
            stack.callback(clients.wait)
            stack.callback(clients.kill)
            for place in touched:
                stack.enter_context(holders(place, count=scale))
            for kind, number, path in (
                ("maps", 65_000, folder / "short"),
                ("maps", 65_000, long),
                ("mounts", 10_000, folder / "mounts"),
                ("threads", 1_000, None),
                ("environ", 0, None),
            ):
                stack.enter_context(scene(kind, folder, number, path=path, count=scale))
            churn = subprocess.Popen(["/bin/sh", "-c", _CHURN], stdout=subprocess.DEVNULL)
            stack.callback(churn.wait)
            stack.callback(churn.kill)
            stalled = stack.enter_context(stalling(name, folder / "stalling"))
            sleeper = subprocess.Popen([stalled.program, "sleep 3600000"], stdout=subprocess.DEVNULL, stdin=subprocess.PIPE)
            stack.callback(sleeper.wait)
            stack.callback(sleeper.kill)
            hostile = subprocess.Popen(
                [os.fsencode(name), "\x1b]0;x\x07\n", "sleep 3600000"], stdout=subprocess.DEVNULL, stdin=subprocess.PIPE
            )
            stack.callback(hostile.wait)
            stack.callback(hostile.kill)
        stack.enter_context(_deep_groups(groups.make("attackers", "nested"), 500 * scale))
        _repeat(stop, stack, lambda: _touch(touched), 1.0)
        _repeat(stop, stack, lambda: _stall(stalled, stop), 1.0)
        churned = groups.make("attackers", "churned")
        _repeat(stop, stack, lambda: _churn_groups(churned), 0.1)
        yield


def _said(page: Samples, pids: list[int]) -> dict[str, dict[str, float]]:
    """What a page says of each of these processes that stays as it is: by pid, values by name and labels."""
    said: dict[str, dict[str, float]] = {str(pid): {} for pid in pids}
    for name, samples in page.items():
        if name.startswith(_STEADY):
            for labels, value in samples:
                if labels.get("pid") in said and _UNSTEADY not in labels.values():
                    said[labels["pid"]][f"{name} {sorted(labels.items())}"] = value
    return said


def _differ(said: dict[str, dict[str, float]], before: dict[str, dict[str, float]]) -> str | None:
    """What is said otherwise than before, in a line; None: nothing is."""
    for pid, values in before.items():
        if said[pid] != values:
            other = set(said[pid].items()) ^ set(values.items())
            return f"pid {pid}: {sorted(other)[:2]}" if said[pid] else f"pid {pid} is missing"
    return None


def _run(arguments: tuple[str, ...], pid: int) -> str | None:
    """One command beside the attackers; what is wrong with its end and its answer, None: nothing."""
    try:
        run = subprocess.run([*PROGRAM, *arguments], capture_output=True, env=environment(), timeout=_COMMAND_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"{' '.join(arguments)}: no end after {_COMMAND_SECONDS} s"
    if run.returncode not in (0, 1, 3) or b"Traceback" in run.stderr:
        return f"{' '.join(arguments)}: exit code {run.returncode}: {run.stderr[-200:]!r}"
    if arguments[0] != "check" and f'"pid": {pid},' not in run.stdout.decode():
        return f"{' '.join(arguments)}: nothing of {pid}"
    return None


def lay_siege(
    folder: Path, seconds: float, *, honest: int = 50, scale: int = 4, say: Callable[[str], None] = lambda _line: None
) -> Outcome:
    """Scrape a service each second for so long, with all attackers at work, and hold each scrape against one before them.

    Needs root and a Go toolchain. Everything it makes is below ``folder`` and in cgroups named cgtune-test-*, and is gone in the end.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    chance = random.Random(7)
    with own_groups() as groups, _honest(groups, honest) as pids:
        home = groups.make("agent")
        home.limit_memory(MEMORY_BYTES)
        wrapper = tuple(home.entering(()))
        options = ("--interval", f"{_INTERVAL_SECONDS:g}s", "--least-age", "0s")
        with Service(*options, wrapper=wrapper) as service:
            service.wait_for_report()
            service.wait_for(lambda: {str(pid) for pid in pids} <= {labels["pid"] for labels, _ in service.metrics()["cgtune_go_info"]})
            scans = service.metrics()["cgtune_scans_total"][0][1]
            service.wait_for(lambda: service.metrics()["cgtune_scans_total"][0][1] >= scans + 2)
            before = _said(service.metrics(), pids)
            say(f"{honest} honest programs, {sum(map(len, before.values()))} values of them; the attackers come")
            with _attackers(folder, groups, service.address, scale=scale):
                outcome = _watch(service, pids, before, seconds, chance, say)
                end_seconds = service.stop()
            return outcome._replace(end_seconds=end_seconds, kills=home.oom_kills())


def _cpu_seconds(pid: int) -> float:
    """What a process and its threads have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _watch(
    service: Service,
    pids: list[int],
    before: dict[str, dict[str, float]],
    seconds: float,
    chance: random.Random,
    say: Callable[[str], None],
) -> Outcome:
    wrong, failed, scrapes, health, ages = list[str](), list[str](), list[float](), list[float](), list[float]()
    commands, longest = [0], [0.0]
    is_over = threading.Event()

    def run_commands() -> None:
        while not is_over.is_set():
            pid = chance.choice(pids)
            for arguments in (
                ("inspect", "--pid", str(pid), "--format", "json"),
                ("ps", "--format", "json"),
                ("check", "--format", "json"),
            ):
                if is_over.is_set():
                    return
                began = resource.getrusage(resource.RUSAGE_CHILDREN)
                trouble = _run(arguments, pid)
                ended = resource.getrusage(resource.RUSAGE_CHILDREN)
                commands[0] += 1
                longest[0] = max(longest[0], ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime)
                failed.extend([trouble] if trouble else [])

    thread = threading.Thread(target=run_commands)
    thread.start()
    first = service.metrics()["cgtune_scans_total"][0][1]
    scans = left = peak = 0
    spent = _cpu_seconds(service.pid)
    began = time.monotonic()
    try:
        while time.monotonic() - began < seconds or not scrapes:
            asked = time.monotonic()
            try:
                text = service.fetch("/metrics", seconds=10).body
                scrapes.append(time.monotonic() - asked)
                asked = time.monotonic()
                alive = service.fetch("/healthz", seconds=10).body
                health.append(time.monotonic() - asked)
                failed.extend([] if alive.startswith("alive") else [f"/healthz: {alive[:80]}"])
            except OSError as error:
                failed.append(f"no answer: {error}")
                continue
            page = parse_metrics(text)
            if trouble := _differ(_said(page, pids), before):
                wrong.append(f"after {time.monotonic() - began:.0f} s: {trouble}")
            ages.append(page["cgtune_report_age_seconds"][0][1])
            scans = int(page["cgtune_scans_total"][0][1] - first)
            left = max(left, int(page["cgtune_unreadable_processes"][0][1]))
            status = Path(f"/proc/{service.pid}/status").read_text()
            peak = max(peak, int(status.partition("VmHWM:")[2].split()[0]) << 10)
            if len(scrapes) % 20 == 0:
                scan = page["cgtune_scan_duration_seconds"][0][1]
                say(
                    f"{time.monotonic() - began:4.0f} s: {len(scrapes)} scrapes, {len(wrong)} wrong, the longest {max(scrapes):.2f} s; "
                    f"{scans} scans, the last {scan:.1f} s; {peak / 2**20:.0f} MiB, {len(text) >> 10} KiB a page"
                )
            time.sleep(max(0.0, 1 - (time.monotonic() - asked)))
    finally:
        is_over.set()
        thread.join()
    return Outcome(
        scrapes=len(scrapes),
        wrong=tuple(wrong),
        failed=tuple(failed),
        scrape_seconds=tuple(scrapes),
        health_seconds=tuple(health),
        age_seconds=tuple(ages),
        scans=scans,
        commands=commands[0],
        command_seconds=longest[0],
        cpu_seconds=_cpu_seconds(service.pid) - spent,
        peak_bytes=peak,
        kills=0,
        end_seconds=0.0,
        left=left,
    )
