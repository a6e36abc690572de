"""What is read of the machine itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cgtune.snapshot import MachineView, read_snapshot
from cgtune.system.capture import Capture
from cgtune.system.host import Host, open_source
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
