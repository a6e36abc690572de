"""The fourth witness: what a process, its cgroups and its machine have used."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cgtune.cgroups.kernel import parse_stat
from cgtune.machineview import MachineView
from cgtune.model import CpuLevel, Note, Used
from cgtune.snapshot import _with_usage, read_snapshot
from cgtune.system.host import Host
from cgtune.used import has_rested, read_turns, read_used
from tests.support import inside
from tests.support.refusing import Refusing
from tests.support.stories import STORIES
from tests.test_snapshot import copy_story

V1, V2 = "v1-bench-chain-of-three", "v2-ancestor-tighter"
PSI = "some avg10={0} avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


def _stat(pid: int, **fields: int) -> str:
    """A stat line with some of its fields, `field12`, as the manual numbers them."""
    numbers = [str(fields.get(f"field{number}", 0)) for number in range(4, 53)]
    return f"{pid} (server) S {' '.join(numbers)}\n"


def _used(root: str, refused: dict[str, int] | None = None) -> tuple[Used, list[Note]]:
    notes: list[Note] = []
    with Refusing(root, refused or {}) as host:
        text = host.read_text("/proc/7/stat")
        return read_used(host, parse_stat(text), read_turns(host, 7, text, notes)), notes


def _process(tmp_path: Path, threads: dict[int, str]) -> str:
    """A root with process 7, whose threads have these texts in schedstat; none if it is empty."""
    files = {f"proc/7/task/{thread}/schedstat": text for thread, text in threads.items()}
    for name, text in {**files, "proc/7/stat": _stat(7, field12=3, field14=150, field15=50, field20=len(threads))}.items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if text:
            place.write_text(text)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("threads", "waits", "seconds"),
    [
        pytest.param({7: "5 1500000000 1\n", 11: "9 250000000 2\n"}, ((7, 1.5), (11, 0.25)), 1.75, id="added up"),
        pytest.param({3: "5 1000000000 1\n", 7: "5 2000000000 1\n"}, ((7, 2.0), (3, 1.0)), 3.0, id="the first thread comes first"),
        pytest.param({7: "5 2000000000 1\n", 9: "", 10: "5 1 1\n"}, ((7, 2.0), (10, 1e-9)), 2.0, id="one has ended meanwhile"),
        pytest.param({7: "5 0 1\n", 9: "0 0 0\n"}, ((7, 0.0),), 0.0, id="one has not run yet"),
        pytest.param({7: "0 0 0\n", 9: "0 0 0\n"}, (), None, id="a kernel that does not count"),
        pytest.param({7: "", 9: ""}, (), None, id="a kernel without"),
    ],
)
def test_how_long_threads_waited(tmp_path: Path, threads: dict[int, str], waits: tuple[tuple[int, float], ...], seconds: float) -> None:
    """Time on the run queue is that of the threads that are there; a kernel that does not count it is not told to have none."""
    used, notes = _used(_process(tmp_path, threads))
    assert (used.waits, used.wait_seconds, notes) == (waits, seconds, [])
    assert (used.cpu_seconds, used.major_faults, used.threads) == (2.0, 3, len(threads))


def test_the_threads_that_are_asked_for_their_waits_are_bounded(tmp_path: Path) -> None:
    """Of a process with 100 threads 64 are asked, its first among them, and the report says so."""
    used, _ = _used(_process(tmp_path, dict.fromkeys(range(1, 101), "5 1000000000 1\n")))
    assert (used.threads, len(used.waits), used.wait_seconds, used.waits[0]) == (100, 64, 64.0, (7, 1.0))


@pytest.mark.parametrize("path", ["/proc/7/task", "/proc/7/task/9/schedstat"])
def test_waits_that_cannot_be_read_are_a_note(tmp_path: Path, path: str) -> None:
    """One note, of the first thread that failed; no judgement hangs on it, so it makes no report blind."""
    root = _process(tmp_path, {7: "5 1000000000 1\n", 9: "5 1 1\n", 10: "5 1 1\n"})
    used, notes = _used(root, {path: errno.EIO})
    assert notes == [Note(path=path, why="Input/output error", kind="fact")]
    assert used.waits == (() if path.endswith("task") else ((7, 1.0),))


@pytest.mark.parametrize(
    ("later", "seconds", "rested"),
    [
        pytest.param({}, 1.0, True, id="nothing"),
        pytest.param({}, 0.9, False, id="not for long enough"),
        pytest.param({"task/9/schedstat": "5 250000000 3\n"}, 9.0, False, id="one had a turn that took no time"),
        pytest.param({"task/9/schedstat": "6 250000000 2\n"}, 9.0, False, id="one ran on in its turn"),
        pytest.param({"stat": _stat(7, field12=4, field14=150, field15=50, field20=2)}, 9.0, False, id="a page was read"),
        pytest.param({"stat": _stat(7, field12=3, field14=150, field15=50, field20=3)}, 9.0, False, id="a thread began"),
        pytest.param({"task/9/schedstat": ""}, 9.0, False, id="a thread is gone"),
    ],
)
def test_what_has_rested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: dict[str, str], seconds: float, *, rested: bool) -> None:
    """Only if no thread had a turn, for a second at the least; and what was seen again is as old as when it was seen first."""
    root = _process(tmp_path, {7: "5 1500000000 1\n", 9: "5 250000000 2\n"})
    now = [100.0]
    monkeypatch.setattr(Host, "clock_seconds", lambda _host: now[0])
    with Host(root) as host:
        before = read_turns(host, 7, host.read_text("/proc/7/stat"), [])
        now[0] += seconds
        for name, text in later.items():
            (tmp_path / "proc/7" / name).unlink()
            if text:
                (tmp_path / "proc/7" / name).write_text(text)
        assert has_rested(host, 7, before) is rested
        again = read_turns(host, 7, host.read_text("/proc/7/stat"), [], before)
        assert again.since_seconds == (now[0] if later else 100.0)


def test_a_thread_in_the_place_of_another_has_not_rested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if it has had the same turns."""
    root = _process(tmp_path, {7: "5 1500000000 1\n", 9: "5 250000000 2\n"})
    now = [100.0]
    monkeypatch.setattr(Host, "clock_seconds", lambda _host: now[0])
    with Host(root) as host:
        before = read_turns(host, 7, host.read_text("/proc/7/stat"), [])
        (tmp_path / "proc/7/task/9").rename(tmp_path / "proc/7/task/10")
        host.forget()
        now[0] += 9.0
        assert not has_rested(host, 7, before)
        assert read_turns(host, 7, host.read_text("/proc/7/stat"), [], before).since_seconds == now[0]


@pytest.mark.parametrize(
    "threads", [dict.fromkeys(range(7, 72), "5 1000000000 1\n"), {7: "0 0 0\n", 9: "0 0 0\n"}, {7: "5 1 1\n", 9: "0 0 0\n"}]
)
def test_of_threads_that_are_not_all_known_nobody_says_that_they_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: dict[int, str]
) -> None:
    """Of 65 threads, of a kernel that does not count, and of a thread that has not run yet."""
    root = _process(tmp_path, threads)
    seconds = iter(range(100, 900, 50))
    monkeypatch.setattr(Host, "clock_seconds", lambda _host: float(next(seconds)))
    with Host(root) as host:
        assert not has_rested(host, 7, read_turns(host, 7, host.read_text("/proc/7/stat"), []))


def test_what_the_machine_has_used(tmp_path: Path) -> None:
    """Uptime, busy and stolen time in seconds, pressure; a process's age follows from the uptime."""
    pid = 4242
    started = parse_stat((STORIES / V2 / f"proc/{pid}/stat").read_text()).start_ticks / 100
    root = copy_story(
        V2,
        tmp_path,
        **{
            "proc/stat": "cpu  100 0 200 9000 50 0 0 400 0 0\nbtime 1700000000\n",
            "proc/uptime": f"{started + 12.5:.2f} 1.00\n",
            "proc/pressure/cpu": PSI.format("1.50"),
            "proc/pressure/memory": "",
        },
    )
    with Host(root) as host:
        snapshot = read_snapshot(MachineView(host), pid)
    machine = snapshot.machine
    assert (machine.uptime_seconds, machine.busy_seconds) == (started + 12.5, 3.0)
    assert (machine.idle_seconds, machine.steal_seconds) == (90.5, 4.0)
    assert machine.cpu_pressure is not None
    assert (machine.cpu_pressure.scope, machine.memory_pressure) == ("machine", None)
    assert snapshot.process.age_seconds == 12


@pytest.mark.parametrize("name", ["uptime", "stat", "pressure/cpu"])
def test_a_container_that_lxcfs_shows_is_no_machine(tmp_path: Path, name: str) -> None:
    """lxcfs shows a container its own uptime, its own CPU time and its own pressure at the machine's place: none is told."""
    path = f"/proc/{name}"
    mount = f"82 49 0:41 {path} {path} rw - fuse.lxcfs lxcfs rw\n"
    mounts = (STORIES / V2 / "proc/1/mountinfo").read_text()
    files = {
        "proc/stat": "cpu  1 1 1 1 1 1 1 1\nbtime 1700000000\n",
        "proc/uptime": "500000.00 1.00\n",
        "proc/pressure/cpu": PSI.format("1"),
    }
    root = copy_story(V2, tmp_path, **files, **{"proc/1/mountinfo": mounts + mount})
    with Host(root) as host:
        machine = MachineView(host).machine
    known = {"uptime": machine.uptime_seconds, "stat": machine.steal_seconds, "pressure/cpu": machine.cpu_pressure}
    assert {key for key, value in known.items() if value is None} == {name}


def test_what_each_level_has_used_on_v2(tmp_path: Path) -> None:
    """CPU time, the peak and refaults of each cgroup; cpu.stat counts time without a quota, and in the root, too."""
    root = copy_story(
        V2,
        tmp_path,
        **{
            "sys/fs/cgroup/cpu.stat": "usage_usec 9000000\n",
            "sys/fs/cgroup/pod/app/cpu.stat": "usage_usec 1500000\nnr_periods 4\nnr_throttled 2\nthrottled_usec 1\n",
            "sys/fs/cgroup/pod/app/memory.peak": "4096\n",
            "sys/fs/cgroup/pod/app/memory.stat": "anon 1\nworkingset_refault_anon 2\nworkingset_refault_file 3\n",
            "sys/fs/cgroup/pod/app/cpu.pressure": PSI.format("2.00"),
            "sys/fs/cgroup/pod/memory.pressure": PSI.format("3.00"),
            **dict.fromkeys(("sys/fs/cgroup/pod/app/memory.pressure", "sys/fs/cgroup/pod/cpu.pressure"), ""),
            **dict.fromkeys(("sys/fs/cgroup/cpu.pressure", "sys/fs/cgroup/memory.pressure"), ""),
            "proc/pressure/cpu": PSI.format("9.00"),
            "proc/pressure/memory": PSI.format("8.00"),
        },
    )
    with Host(root) as host:
        snapshot = read_snapshot(MachineView(host), 4242)
    used = {level.path: level.usage_seconds for level in snapshot.cpu_chain}
    assert (used["/pod/app"], used["/"]) == (1.5, 9.0)
    leaf = snapshot.memory_chain[0]
    assert (leaf.path, leaf.peak_bytes, leaf.refaults) == ("/pod/app", 4096, 5)
    told = [(level.path, level.cpu and level.cpu.file, level.memory and level.memory.file) for level in snapshot.pressure_chain]
    folder = "/sys/fs/cgroup/pod"
    assert told == [("/pod/app", f"{folder}/app/cpu.pressure", None), ("/pod", None, f"{folder}/memory.pressure")]
    # What holds for the process: its own cgroup's, else the machine's
    assert snapshot.cpu_pressure is not None
    assert snapshot.memory_pressure is not None
    assert (snapshot.cpu_pressure.scope, snapshot.memory_pressure.scope) == ("cgroup", "machine")


def test_a_parents_pressure_is_not_the_processs(tmp_path: Path) -> None:
    """If the leaf has no pressure files, the machine's stands for the process; that of a parent is in the chain."""
    own = dict.fromkeys(("sys/fs/cgroup/pod/app/cpu.pressure", "sys/fs/cgroup/pod/app/memory.pressure"), "")
    root = copy_story(V2, tmp_path, **own, **{"proc/pressure/cpu": PSI.format("9.00")})
    with Host(root) as host:
        snapshot = read_snapshot(MachineView(host), 4242)
    assert [level.path for level in snapshot.pressure_chain] == ["/pod", "/"]
    assert snapshot.cpu_pressure is not None
    assert snapshot.cpu_pressure.scope == "machine"


@pytest.mark.parametrize("apart", [False, True], ids=["with cpu", "in a hierarchy of its own"])
def test_what_each_level_has_used_on_v1(tmp_path: Path, apart: bool) -> None:
    """cpuacct may be in another hierarchy than cpu: what counts is the cgroup of the same path there, and none if it has another."""
    files = {
        "proc/4242/cgroup": "5:cpu:/app\n4:cpuacct:/app\n3:memory:/app\n" if apart else "5:cpu,cpuacct:/app\n3:memory:/app\n",
        "proc/1/mountinfo": _mounts("cpu", "cpuacct", "memory") if apart else _mounts("cpu,cpuacct", "memory"),
        "proc/4242/stat": _stat(4242, field22=1),
        "proc/4242/status": "Cpus_allowed_list:\t0-1\n",
        "proc/stat": "btime 1700000000\n",
        "sys/devices/system/cpu/online": "0-1\n",
    }
    cpu, account = ("cpu", "cpuacct") if apart else ("cpu,cpuacct", "cpu,cpuacct")
    for below, used in (("", 9_000_000_000), ("/app", 1_500_000_000)):
        files |= {
            f"sys/fs/cgroup/{cpu}{below}/cpu.cfs_quota_us": "-1\n",
            f"sys/fs/cgroup/{cpu}{below}/cpu.cfs_period_us": "100000\n",
            f"sys/fs/cgroup/{account}{below}/cpuacct.usage": f"{used}\n",
            f"sys/fs/cgroup/memory{below}/memory.max_usage_in_bytes": "8192\n",
            f"sys/fs/cgroup/memory{below}/memory.limit_in_bytes": "9223372036854771712\n",
            f"sys/fs/cgroup/memory{below}/memory.stat": "total_workingset_refault_file 6\n",
        }
    for name, text in files.items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    with Host(str(tmp_path)) as host:
        snapshot = read_snapshot(MachineView(host), 4242)
    assert [(level.path, level.usage_seconds) for level in snapshot.cpu_chain] == [("/app", 1.5), ("/", 9.0)]
    assert [(level.peak_bytes, level.refaults) for level in snapshot.memory_chain] == [(8192, 6)] * 2
    if apart:
        (tmp_path / "proc/4242/cgroup").write_text("5:cpu:/app\n4:cpuacct:/other\n3:memory:/app\n")
        with Host(str(tmp_path)) as host:
            snapshot = read_snapshot(MachineView(host), 4242)
        assert [(level.path, level.usage_seconds) for level in snapshot.cpu_chain] == [("/app", None), ("/", 9.0)]


def _mounts(*hierarchies: str) -> str:
    return "".join(
        f"{number} 1 0:{number} / /sys/fs/cgroup/{names} rw - cgroup cgroup rw,{names}\n" for number, names in enumerate(hierarchies, 30)
    )


@pytest.mark.parametrize(
    "path", ["/sys/fs/cgroup/pod/app/memory.peak", "/proc/uptime", "/proc/4242/task/4242/schedstat", "/sys/fs/cgroup/pod/cpu.pressure"]
)
def test_what_was_used_is_dispensable(tmp_path: Path, path: str) -> None:
    """A file of this witness that is there and cannot be understood costs a note, and no verdict."""
    root = copy_story(V2, tmp_path, **{path.removeprefix("/"): "nonsense\n"})
    report = inside.parse_report(inside.run("inspect", "--root", root, "--pid", 4242, "--format", "json"))
    assert path in [note["path"] for note in report["processes"][0]["notes"]]
    done = inside.run("check", "--root", root, "--pid", 4242)
    assert (done.returncode, "could not be looked into" in done.stderr) == (
        inside.run("check", "--root", STORIES / V2, "--pid", 4242).returncode,
        False,
    )


def test_what_cpuacct_says_is_of_v1_alone() -> None:
    """A cgroup of v2 has its use in its own cpu.stat, though v1's cpuacct hierarchy has one of the same path."""
    level = CpuLevel(
        path="/app", directory="/c/app", version=2, bandwidth=None, weight=None, shares=None, throttling=None, usage_seconds=5.0
    )
    assert _with_usage(level, (7.0, 100.0)) is level
    other = _with_usage(level.replace(version=1), (7.0, 100.0))
    assert (other.usage_seconds, other.read_seconds) == (7.0, 100.0)
    assert _with_usage(other, None) is other
