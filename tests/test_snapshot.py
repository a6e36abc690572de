"""What is read of the machine itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgtune.host import Host
from cgtune.snapshot import MachineView

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
