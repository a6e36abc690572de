"""What is read of the machine itself."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest

from cgtune.limits import enforce
from cgtune.snapshot import MachineView, read_snapshot
from cgtune.system.capture import Capture
from cgtune.system.host import Host, open_source
from cgtune.system.source import MARKER
from tests.support import inside
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
