"""What one cgroup more costs a look, counted: a process in a cgroup of its own beside one in a known cgroup."""

from __future__ import annotations

from collections import Counter

import pytest

from cgtune.gather import gather
from cgtune.machineview import MachineView
from cgtune.system import backing
from cgtune.system.host import Host
from tests.live.cgroups import Groups
from tests.support.counts import counting

pytestmark = pytest.mark.live

FEW, MORE = 3, 5
#: Of each cgroup: its files, in each hierarchy that has it, and the levels made of them. Folders that are looked up again come on top.
MOST = {"opens": 22, "reads": 34, "stats": 26, "links": 0, "lists": 1, "parses": 56, "records": 50, "bytes": 4096}


def _fail(_pid: int, error: Exception) -> None:
    raise error


def _count(view: MachineView, pids: list[int]) -> Counter[str]:
    """What the last five of these cost, together, after the others."""
    counts = []
    for number in (FEW, FEW + MORE):
        again = MachineView(view.host, before=view)
        with counting() as counted:
            gather(again, pids[:number], _fail, go_only=False)
        counts.append(counted)
    return Counter({key: counts[1][key] - counts[0][key] for key in counts[1]})


def test_a_cgroup_more_is_read_once(groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its files: what its processes share is not read again for the second of them. Counted is on a machine without foreign file
    systems, whatever others mount meanwhile on this one.
    """
    monkeypatch.setattr(backing, "is_local_backing", lambda _name: True)
    monkeypatch.setattr(backing, "parse_filesystems", lambda _text: set())
    made = [groups.make("pod", f"app{number}") for number in range(FEW + MORE)]
    for group in made:
        group.limit_cpu(50_000)
        group.limit_memory(64 << 20)
    apart = [group.start_sleeper() for group in made]
    together = [made[0].start_sleeper() for _ in range(FEW + MORE)]
    with Host() as host:
        view = MachineView(host)
        gather(view, [*together, *apart], _fail, go_only=False)  # what is known for good is read now
        of_processes, of_both = _count(view, together), _count(view, apart)
    of_cgroups = {key: (of_both[key] - of_processes[key]) / MORE for key in of_both}
    assert of_cgroups["opens"] > 5
    assert {key: (number, MOST[key]) for key, number in of_cgroups.items() if key != "closes" and number > MOST[key]} == {}
