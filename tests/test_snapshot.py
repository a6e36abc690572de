"""What is read of the machine itself."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from cgtune.errors import Absent, NoSuchProcess
from cgtune.limits import enforce
from cgtune.machineview import MachineView
from cgtune.model import Note
from cgtune.process import read_process
from cgtune.snapshot import read_snapshot
from cgtune.system.capture import Capture
from cgtune.system.host import Host, open_source
from cgtune.system.source import MARKER
from tests.support import inside, stories
from tests.support.refusing import Refusing
from tests.support.stories import STORIES

CPU = "/sys/devices/system/cpu"
FILES = {f"{CPU}/online": "0\n", f"{CPU}/possible": "0-15\n"}
NODES = {
    f"/sys/devices/system/node/{name}": text for name, text in (("node0/cpulist", "0-3\n"), ("node1/cpulist", "4-7\n"), ("online", "0-1\n"))
}


@pytest.mark.parametrize(
    ("point", "files", "online"),
    [
        pytest.param(f"{CPU}/online", FILES | NODES, range(8), id="the file"),
        pytest.param(CPU, FILES | NODES, range(8), id="its folder"),
        pytest.param(f"{CPU}/online", FILES, range(16), id="a kernel without NUMA"),
        pytest.param(f"{CPU}/online", FILES | {"/sys/devices/system/node/node0/cpulist": "\n"}, range(16), id="nodes without CPUs"),
        pytest.param("/proc/meminfo", FILES | NODES, range(1), id="another file"),
        pytest.param("/sys/devices/system/cp", FILES | NODES, range(1), id="a folder whose name begins so"),
    ],
)
def test_cpus_that_lxcfs_hides(tmp_path: Path, point: str, files: dict[str, str], online: range) -> None:
    """lxcfs shows a container a count of its own in cpu/online, "0" for CPU 5 alone: what is really online is told elsewhere."""
    # as lxcfs 5.0.3 of Debian 12 is mounted
    mount = f"82 49 0:41 {point} {point} rw,nosuid,nodev,relatime - fuse.lxcfs lxcfs rw,user_id=0,group_id=0,allow_other\n"
    for path, text in {"/proc/1/mountinfo": mount, **files}.items():
        place = tmp_path / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    with Host(str(tmp_path)) as host:
        assert MachineView(host).machine.online == frozenset(online)


@pytest.mark.parametrize(
    ("marker", "age"),
    [
        ('{"time_seconds": 1795399920.5}', 43200),
        ('{"time_seconds": 1795356721.9}', 1),
        ('{"time_seconds": 1795356719}', 0),
        ('{"time_seconds": 1795356000}', None),
        (None, None),
    ],
    ids=["half a day", "a second", "a clock that was set", "before its start", "a copy of nobody knows when"],
)
def test_how_long_a_process_has_run(tmp_path: Path, marker: str | None, age: int | None) -> None:
    """The time of the recording less that of the start; of a copy, and of clocks that contradict each other, nothing is said."""
    tree = tmp_path / "machine"
    shutil.copytree(STORIES / "v2-plain", tree, symlinks=True)
    (tree / MARKER).unlink()
    if marker is not None:
        (tree / MARKER).write_text(marker)
    with Host(str(tree)) as host:
        view = MachineView(host)
        assert read_process(view, 4242, []).age_seconds == age


def test_how_old_this_very_process_is() -> None:
    """Within two seconds of what the kernel's clocks say, now and a second later."""
    with Host() as host:
        ticks = int(host.read_text(f"/proc/{os.getpid()}/stat").rpartition(")")[2].split()[19])
        runs = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / host.ticks_per_second
        age = read_process(MachineView(host), os.getpid(), []).age_seconds
    assert age is not None
    assert runs - 1 < age < runs + 2


class _Moving(Host):
    """A host on which process 4242 begins with these environments, one a look; the last one stays."""

    starts: list[int]

    def read_text(self, path: str) -> str:
        text = super().read_text(path)
        if path != "/proc/4242/stat":
            return text
        start = self.starts.pop(0) if len(self.starts) > 1 else self.starts[0]
        fields = text.split()
        fields[1] = "(entry)" if start in (0, 64) else "(server)"
        fields[49] = str(start)
        return " ".join(fields)


@pytest.mark.parametrize(
    ("starts", "command", "noted"),
    [
        pytest.param([128], "server", False, id="none"),
        pytest.param([64, 128], "server", False, id="behind it"),
        pytest.param([0, 128], "server", False, id="in its midst, where the environment reads as empty"),
        pytest.param([0], "entry", False, id="what the kernel keeps from us"),
        pytest.param([128, 64, 0, 128, 64], "entry", True, id="without end"),
    ],
)
def test_a_process_that_starts_another_program(starts: list[int], command: str, noted: bool) -> None:
    """An execve while it is read leaves pid and start time as they are: what was read before it is read anew."""
    with _Moving(str(STORIES / "k8s-burstable-systemd")) as host:
        host.starts = list(starts)
        snapshot = read_snapshot(MachineView(host), 4242)
    assert snapshot.process.command == command
    assert any("started another program" in note.why for note in snapshot.notes) is noted


def test_the_threads_that_are_asked_are_bounded(tmp_path: Path) -> None:
    """A process that is bound to one CPU by its first thread may have 30,000 more: the affinity of 64 is read, whose names come first."""
    shutil.copytree(STORIES / "v2-affinity-and-offline-cpus", tmp_path / "machine", symlinks=True)
    folder = tmp_path / "machine/proc/4242"
    status = (folder / "status").read_text()
    for thread in range(4242, 4242 + 100):
        (folder / f"task/{thread}").mkdir(parents=True, exist_ok=True)
        (folder / f"task/{thread}/status").write_text(status)
    capture = Capture(open_source(str(tmp_path / "machine")))
    with Host(source=capture) as host:
        before = read_snapshot(MachineView(host), 4242)
        capture.replace_recording(str(tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out/proc/4242/task").iterdir()) == [str(thread) for thread in range(4242, 4242 + 64)]
    with Host(str(tmp_path / "out")) as host:  # the names of all are recorded
        assert len(host.list_directory("/proc/4242/task")) == 100
        assert read_snapshot(MachineView(host), 4242) == before


def copy_story(name: str, to: Path, **files: str) -> str:
    """A story's folder copied, with some files written anew or (empty text) removed; "/" in their names is spelled as it is."""
    root = to / "root"
    shutil.copytree(STORIES / name, root, symlinks=True)
    for path, text in files.items():
        place = root / path
        if not text:
            place.unlink()
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("files", "online", "why"),
    [
        (
            {"proc/stat": "cpu  1\ncpu0 1\ncpu2 1\nbtime 1795000000\n"},
            {0, 2},
            "does not exist; the CPUs that are online are taken from /proc/stat",
        ),
        (
            {"proc/self/status": "Cpus_allowed_list:\t1-2\n"},
            {1, 2},
            "does not exist; the CPUs that are online are taken from /proc/9/status",
        ),
    ],
    ids=["from /proc/stat", "from one's own affinity"],
)
def test_without_sys_the_cpus_are_taken_from_elsewhere(tmp_path: Path, files: dict[str, str], online: set[int], why: str) -> None:
    """Affinity alone is enough for Go: a sandbox without /sys costs a note."""
    files = {path.replace("proc/self", "proc/9"): text for path, text in files.items()}
    root = copy_story("v2-ancestor-tighter", tmp_path, **{"sys/devices/system/cpu/online": "", **files})
    link = Path(root, "proc/self")
    link.unlink(missing_ok=True)
    link.symlink_to("9")
    with Host(root) as host:
        view = MachineView(host)
    assert view.machine.online == online
    assert [note.why for note in view.notes if note.path == "/sys/devices/system/cpu/online"] == [why]


@pytest.mark.parametrize(
    ("state", "ops", "name"),
    [("enabled\n", "scx_lavd\n", "scx_lavd"), ("enabled\n", "", ""), ("disabled\n", "scx_lavd\n", None)],
)
def test_a_bpf_scheduler_is_told_beside_a_quota(tmp_path: Path, state: str, ops: str, name: str | None) -> None:
    """Whether quotas hold is up to the scheduler that sched_ext put in place of the kernel's own."""
    folder = "sys/kernel/sched_ext"
    root = copy_story("v2-ancestor-tighter", tmp_path, **{f"{folder}/state": state, **({f"{folder}/root/ops": ops} if ops else {})})
    with Host(root) as host:
        snapshot = read_snapshot(MachineView(host), 4242)
    assert snapshot.machine.sched_ext == name
    assert (enforce(snapshot).cpu.unbound is not None) == (name is not None)
    shown = inside.run("inspect", "--root", root, "--pid", 4242).stdout
    assert ("sched_ext scheduler" in shown) == (name is not None)


def _thread(pid: int, number: int, scheduling: int, cgroup: str) -> dict[str, str]:
    stat = (STORIES / "v2-ancestor-tighter/proc/4242/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    fields[38] = str(scheduling)
    return {f"proc/{pid}/task/{number}/stat": f"{number} (server) {' '.join(fields)}\n", f"proc/{pid}/task/{number}/cgroup": cgroup}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("threaded", ["2 of the 4 threads looked at, of 4, are in other cgroups, such as /pod/app/fast"]),
        ("domain", []),  # v2 keeps the threads of such a cgroup together
    ],
)
def test_threads_that_are_apart_are_told(tmp_path: Path, kind: str, said: list[str]) -> None:
    """A thread may be under a real-time policy, or in another cgroup, by itself: the quota shown does not hold for it."""
    own = (STORIES / "v2-ancestor-tighter/proc/4242/cgroup").read_text()
    threads = _thread(4242, 4242, 0, own) | _thread(4242, 4243, 1, own) | _thread(4242, 4244, 0, "0::/pod/app/fast\n")
    threads |= _thread(4242, 4245, 2, "0::/pod/app/slow\n")
    leaf = own.strip().removeprefix("0::/")
    root = copy_story("v2-ancestor-tighter", tmp_path, **threads, **{f"sys/fs/cgroup/{leaf}/cgroup.type": f"{kind}\n"})
    with Host(root) as host:
        limits = enforce(read_snapshot(MachineView(host), 4242))
    assert [note.why.partition(":")[0] for note in limits.notes if "are in other cgroups" in note.why] == said
    assert limits.cpu.unbound is not None
    assert limits.cpu.unbound.startswith("2 of the 4 threads looked at, of 4, run under a real-time policy: quotas do not hold for them")


HIDEPID = "24 28 0:23 / /proc rw,nosuid - proc proc rw,{options}\n"


@pytest.mark.parametrize(
    ("options", "status", "needs"),
    [
        ("hidepid=invisible", "Groups:\t \nCapEff:\t0000000000000000\n", "hidepid=invisible"),
        ("hidepid=2,gid=5", "Groups:\t7 \nCapEff:\t0000000000000000\n", "or in the group 5"),
        ("hidepid=2,gid=5", "Groups:\t7 5 \nCapEff:\t0000000000000000\n", None),
        ("hidepid=ptraceable,gid=5", "Groups:\t5 \nCapEff:\t0000000000000000\n", "hidepid=ptraceable"),
        ("hidepid=invisible", "Groups:\t \nCapEff:\t0000000000080000\n", None),
        ("hidepid=invisible", "Gid:\t1000\t0\t0\t0\nCapEff:\t0000000000000000\n", None),  # root's group is exempt if none is named
        ("hidepid=invisible", "Groups:\t \nCapEff:\tnone\n", "hidepid=invisible"),  # a damaged recording
        ("hidepid=1", "Groups:\t \nCapEff:\t0000000000000000\n", None),
        ("hidepid=off", "", None),
    ],
)
def test_processes_that_proc_hides_are_told(tmp_path: Path, options: str, status: str, needs: str | None) -> None:
    """Who sees nobody's processes learns that there may be some, and what would show them."""
    mounts = (STORIES / "v2-ancestor-tighter/proc/4242/mountinfo").read_text()
    lines = [line for line in mounts.splitlines(keepends=True) if " - proc " not in line]
    text = "".join(lines) + HIDEPID.format(options=options)
    root = copy_story("v2-ancestor-tighter", tmp_path, **{"proc/9/mountinfo": text, "proc/9/status": status or "Name:\tx\n"})
    link = Path(root, "proc/self")
    link.unlink(missing_ok=True)
    link.symlink_to("9")
    with Host(root) as host:
        hidden = MachineView(host).hidden
    assert (hidden is None) == (needs is None)
    if hidden is not None and needs is not None:
        assert needs in hidden.why
        assert hidden.privilege == "CAP_SYS_PTRACE"
        assert needs in inside.run("check", "--root", root, "--pid", 77).stderr  # no such process, as far as can be seen


@pytest.mark.parametrize("name", ["status", "cgroup"])
def test_everything_but_the_process_itself_is_optional(tmp_path: Path, name: str) -> None:
    """A file that fails costs a note that says what follows; who wants a verdict is refused one."""
    root = Path(copy_story("v2-ancestor-tighter", tmp_path))
    marker = root / MARKER
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "unreadable": {f"/proc/4242/{name}": errno.EIO}}))
    with Host(str(root)) as host:
        snapshot = read_snapshot(MachineView(host), 4242)
    assert snapshot.process.affinity == snapshot.machine.online
    assert [(note.path, note.kind) for note in snapshot.notes if "Input/output error" in note.why] == [(f"/proc/4242/{name}", "failed")]
    done = inside.run("check", "--root", root, "--pid", 4242)
    assert (done.returncode, f"/proc/4242/{name}: Input/output error" in done.stderr) == (3, True)


def test_a_kernel_without_controllers_is_told_from_one_that_lends_none(tmp_path: Path) -> None:
    """On v1 /proc/cgroups tells what is switched off; a controller that the parent does not lend is no missing one."""
    memberships = "5:cpu,cpuacct:/app\n3:cpuset:/app\n"
    table = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t5\t7\t1\nmemory\t0\t1\t0\n"
    root = copy_story("v1-co-mounted", tmp_path, **{"proc/4242/cgroup": memberships, "proc/cgroups": table})
    assert _unsupported(root) == {"memory"}
    assert _unsupported(str(STORIES / "v2-controller-not-enabled")) == set()
    assert _unsupported(str(STORIES / "v2-private-namespace")) == set()


def _unsupported(root: str) -> frozenset[str]:
    with Host(root) as host:
        pid = json.loads(Path(root, "expected.json").read_text())["arguments"][1]
        return read_snapshot(MachineView(host), int(pid)).unsupported


STORY = str(STORIES / "v2-ancestor-tighter")


class _Ending(Refusing):
    """A host on which process 4242 ends when its stat was read once."""

    reads = 0

    def read_text(self, path: str) -> str:
        if path == "/proc/4242/stat":
            self.reads += 1
            if self.reads > 1:
                raise Absent(f"{path} does not exist")
        return super().read_text(path)


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        pytest.param({}, "process 4242 ended while it was read", id="in the end"),
        pytest.param({"status": errno.ENOENT}, "/proc/4242/status: the process ended while it was read", id="before its status"),
        pytest.param({"cgroup": errno.ENOENT}, "process 4242 ended while it was read", id="before its cgroups"),
        pytest.param({"exe": errno.ESRCH}, "/proc/4242/exe: the process has ended", id="at its executable"),
        pytest.param({"status": errno.ESRCH}, "/proc/4242/status: the process has ended", id="at its status"),
        pytest.param({"cgroup": errno.ESRCH}, "/proc/4242/cgroup: the process has ended", id="at its cgroups"),
    ],
)
def test_a_process_that_ends_while_it_is_read(refused: dict[str, int], said: str) -> None:
    """Whichever file shows it first: there is no such process, and no report of half of one."""
    with _Ending(STORY, {f"/proc/4242/{name}": number for name, number in refused.items()}) as host:
        view = MachineView(host)
        with pytest.raises(NoSuchProcess, match=f"^{said}$"):
            read_snapshot(view, 4242)


class _Wandering(Host):
    """A host on which process 4242 is another one, or in another cgroup, with each look."""

    looks = 0
    moves = False

    def read_text(self, path: str) -> str:
        text = super().read_text(path)
        self.looks += 1
        if self.moves and path == "/proc/4242/cgroup":
            return f"0::/pod/app{self.looks}\n"
        if not self.moves and path == "/proc/4242/stat":
            fields = text.split()
            return " ".join([*fields[:21], str(self.looks), *fields[22:]])
        return text


def test_another_process_with_its_pid() -> None:
    """The start time tells that it is another one: what was read of the two is no report."""
    with _Wandering(STORY) as host, pytest.raises(NoSuchProcess, match="process 4242 ended while it was read, and another one has its pid"):
        read_snapshot(MachineView(host), 4242)


def test_a_process_that_never_stays_in_one_cgroup() -> None:
    """After a few tries it is reported, with a note that its chain may mix two places."""
    with _Wandering(STORY) as host:
        host.moves = True
        snapshot = read_snapshot(MachineView(host), 4242)
    assert snapshot.notes[-1].path == "/proc/4242/cgroup"
    assert snapshot.notes[-1].why.startswith("the process was moved between cgroups while it was read")


@pytest.mark.parametrize(("threads", "said"), [(1, None), (2, "1 more runs on"), (4, "3 more run on")])
def test_a_process_whose_first_thread_has_ended(tmp_path: Path, threads: int, said: str | None) -> None:
    """It looks like a zombie, but its limits hold for the threads that are left."""
    name, _, rest = Path(STORY, "proc/4242/stat").read_text().rpartition(")")
    fields = rest.split()
    fields[0], fields[17] = "Z", str(threads)
    with Host(copy_story("v2-ancestor-tighter", tmp_path, **{"proc/4242/stat": f"{name}) {' '.join(fields)}\n"})) as host:
        snapshot = read_snapshot(MachineView(host), 4242)
    (why,) = (note.why for note in snapshot.notes if note.path == "/proc/4242/stat")
    assert why.startswith("the process is a zombie" if said is None else f"its first thread has ended, and {said}: ")


def test_threads_that_are_refused_are_a_note() -> None:
    """Whether single threads are apart is not known then."""
    with Refusing(STORY, {"/proc/4242/task": errno.EIO}) as host:
        snapshot = read_snapshot(MachineView(host), 4242)
    assert snapshot.threads is None
    assert [note.why for note in snapshot.notes if note.path == "/proc/4242/task"] == ["Input/output error"]


def test_threads_that_have_ended_bind_nobody(tmp_path: Path) -> None:
    """The affinity is that of the threads that are still there."""
    threads = {f"proc/4242/task/{thread}/status": f"Cpus_allowed_list:\t{cpu}\n" for thread, cpu in ((4242, 1), (4244, 2))}
    root = copy_story("v2-affinity-and-offline-cpus", tmp_path, **threads)
    Path(root, "proc/4242/task/4243").mkdir()
    with Host(root) as host:
        assert read_snapshot(MachineView(host), 4242).process.affinity == {1, 2, 4, 7}


def test_the_namespace_of_a_pod_that_is_refused_is_left_open() -> None:
    """It is a name and no limit: nothing else is missing from the report."""
    story = STORIES / "k8s-node-capacity"
    lines = (story / "proc/4242/mountinfo").read_text().splitlines()
    folder = next(line.split()[4] for line in lines if "serviceaccount" in line)
    with Host(str(story)) as host:
        before = read_snapshot(MachineView(host), 4242)
    with Refusing(str(story), {f"/proc/4242/root{folder}/..data": errno.EACCES}) as host:
        snapshot = read_snapshot(MachineView(host), 4242)
    assert before.container.pod_uid
    assert snapshot == before.replace(container=before.container.replace(pod_namespace=None))


def test_an_executable_that_is_refused_names_the_privilege() -> None:
    """Whether another group is the reason cannot be told without the status."""
    with Refusing(STORY, {"/proc/4242/exe": errno.EACCES, "/proc/4242/status": errno.EACCES}) as host:
        snapshot = read_snapshot(MachineView(host), 4242)
    (note,) = (note for note in snapshot.notes if note.path == "/proc/4242/exe")
    assert (note.why, note.privilege) == ("permission denied; whether it is a Go program is not known", "CAP_SYS_PTRACE")


@pytest.mark.parametrize(("events", "lacking"), [("populated 1\n", set()), (None, {"cpu"})])
def test_a_controller_is_missing_at_the_true_root_only(tmp_path: Path, events: str | None, lacking: set[str]) -> None:
    """At the top of what can be seen it may be that a parent does not lend it: every cgroup but the true root has cgroup.events."""
    root = copy_story("v2-private-namespace", tmp_path, **{"sys/fs/cgroup/cgroup.controllers": "memory pids\n"})
    top = Path(root, "sys/fs/cgroup")
    for name in ("cpu.max", "cpu.weight", "cpu.stat", "cgroup.events"):
        (top / name).unlink(missing_ok=True)
    if events is not None:
        (top / "cgroup.events").write_text(events)
    assert _unsupported(root) == lacking


def test_our_own_affinity_without_our_status() -> None:
    """A sandbox's status may not tell it; of ourselves the system call does."""
    notes: list[Note] = []
    with Refusing("/", {f"/proc/{os.getpid()}/status": errno.EACCES}) as host:
        process = read_process(MachineView(host), os.getpid(), notes)
    assert process.affinity == os.sched_getaffinity(0)
    assert not any(note.path.endswith("/status") for note in notes)


def test_a_machine_without_proc_and_sys_says_what_to_mount() -> None:
    """Nothing tells which CPUs there are: there is no report, but advice."""
    own = f"/proc/{os.getpid()}"
    missing = ("/sys/devices/system/cpu/online", "/proc/stat", f"{own}/status", f"{own}/mountinfo")
    with Refusing("/", dict.fromkeys(missing, errno.ENOENT)) as host, pytest.raises(Absent, match="mount /proc, and /sys if it can be"):
        MachineView(host)


@pytest.mark.parametrize("story", stories.names())
def test_the_next_process_of_the_same_cgroups_is_told_the_same(story: str) -> None:
    """What was found for the first is not looked for again; it is the same, to the last note."""
    with Host(str(STORIES / story)) as host:
        view = MachineView(host)
        first, second = (read_snapshot(view, stories.pid_of(story)) for _ in range(2))
    assert second == first


@pytest.mark.parametrize(("number", "scope"), [(errno.EIO, None), (errno.EMFILE, None), (errno.ENOENT, "machine")])
def test_whose_pressure_it_is_is_not_guessed(number: int, scope: str | None) -> None:
    """The root alone has no cgroup.events. If that file cannot be read, the pressure is not told, and a note says why."""
    story = str(STORIES / "k8s-burstable-systemd")
    with Host(story) as host:
        leaf = read_snapshot(MachineView(host), 4242).pressure_chain[0]
    file = f"{leaf.directory}/cgroup.events"
    with Refusing(story, {file: number}) as host:
        snapshot = read_snapshot(MachineView(host), 4242)
    found = [level.cpu and level.cpu.scope for level in snapshot.pressure_chain if level.directory == leaf.directory]
    assert leaf.cpu is not None
    assert leaf.cpu.scope == "cgroup"
    assert found == ([scope] if scope else [])
    assert [note.path for note in snapshot.notes if note.path == file] == ([] if scope else [file])
