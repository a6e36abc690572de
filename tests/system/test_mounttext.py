"""Of a large mount table those lines are kept that anybody asks for: what is told of them is what the whole would tell."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cgtune.cgroups import kernel
from cgtune.cgroups.containers import _STORE_RUNTIMES, locate_container
from cgtune.cgroups.locate import locate_mounts
from cgtune.errors import Malformed
from cgtune.runtimes.go.derived.limitfile import locate_limit
from cgtune.system.host import Host
from cgtune.system.mounttext import select_mounts

_ID = "0123456789abcdef" * 4
_FILLING = "".join(f"{number} 1 0:9 / /m/{number} rw,relatime - tmpfs tmpfs rw,size=65536k\n" for number in range(2000, 3500))
_POINTS = ("/", "/sys", "/sys/fs", "/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/a\\040b", "/a\\040b/c", "/proc", "/x/sys/fs/cgroup")
_ROOTS = ("/", "/../..", "/app", "/kubepods/pod1", *(f"/var/lib{store}{_ID}/hostname" for store in _STORE_RUNTIMES))
_POD = f"/var/lib/kubelet/pods/{'12345678-' * 3}123456789/containers/web/1"


def _line(chance: random.Random, number: int, before: dict[str, list[int]]) -> str:
    """A line whose parent is, as the kernel has it, a mount on the same point or above it."""
    kind, options = chance.choice((("cgroup2", "rw"), ("cgroup", "rw,cpu,cpuacct"), ("tmpfs", "rw"), ("fuse.x", "rw"), ("nsfs", "rw")))
    root = "net:[4026531833]" if kind == "nsfs" and chance.random() < 0.2 else chance.choice((*_ROOTS, _POD))
    point = chance.choice((*_POINTS, "/etc/hostname", "/run/secrets/kubernetes.io/serviceaccount"))
    if chance.random() < 0.02:
        return "42 no line\n"
    above = [one for other, numbers in before.items() if f"{point}/".startswith(f"{other.rstrip('/')}/") for one in numbers]
    before.setdefault(point, []).append(number)
    return f"{number} {chance.choice(above or [1])} 0:{number} {root} {point} rw - {kind} {kind} {options}\n"


@pytest.mark.parametrize("seed", range(60))
def test_what_is_told_of_the_rest_is_what_the_whole_tells(seed: int) -> None:
    """Go's limit file in each version, the container, and the cgroup mounts that can be reached."""
    chance = random.Random(seed)
    before: dict[str, list[int]] = {}
    few = [_line(chance, number, before) for number in range(2, 40)]
    filling = _FILLING.splitlines(keepends=True)
    places = sorted(chance.sample(range(len(filling)), len(few)))
    for place, line in zip(reversed(places), few, strict=True):
        filling.insert(place, line)
    whole = "".join(filling)
    kept = select_mounts(whole.encode()).decode()
    assert len(kept) < len(whole) / 10
    for cgroup in ("0::/app/x\n", "3:cpu,cpuacct:/kubepods/pod1/x\n0::/\n"):
        for minor in (25, 26):
            assert locate_limit(minor, cgroup, kept, lambda path: path[:20]) == locate_limit(minor, cgroup, whole, lambda path: path[:20])
    try:
        mounts = kernel.parse_mountinfo(whole)
    except Malformed:
        with pytest.raises(Malformed):
            kernel.parse_mountinfo(kept)
        return
    reached, expected = locate_mounts(kernel.parse_mountinfo(kept)), locate_mounts(mounts)
    wanted = ("cgroup", "cgroup2")
    assert [one for one in reached if one.filesystem in wanted] == [one for one in expected if one.filesystem in wanted]
    assert locate_container((), reached) == locate_container((), expected)
    named = ("/etc/hostname", "/run/secrets/kubernetes.io/serviceaccount")
    assert {one.mount_point for one in reached if one.mount_point in named} == {one.mount_point for one in expected} & set(named)


@pytest.mark.parametrize(("size", "kept"), [(64 << 10, 64 << 10), ((64 << 10) + 1, 0)])
def test_a_small_table_is_kept_whole(tmp_path: Path, size: int, kept: int) -> None:
    """To the byte, up to 64 KiB; of a larger one, here of mounts that nobody asks for, nothing but what is wanted."""
    line = b"7 1 0:26 / /m rw - tmpfs tmpfs rw\n"
    (tmp_path / "proc/42").mkdir(parents=True)
    (tmp_path / "proc/42/mountinfo").write_bytes((line * (size // len(line))).ljust(size, b"\n"))
    with Host(str(tmp_path)) as host:
        assert len(host.read_kept("/proc/42/mountinfo")) == kept


def test_a_thousand_cgroup_mounts_are_too_many() -> None:
    """Each is wanted, so none may be left out: the table is refused."""
    line = "7 1 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n"
    assert select_mounts((line * 1000).encode()) == (line * 1000).encode()
    with pytest.raises(Malformed, match="more than 1000 cgroup mounts"):
        select_mounts((line * 1001).encode())


def test_a_table_that_is_too_large_is_read_once(tmp_path: Path) -> None:
    """Beyond 4 MiB it is refused, and whoever asks again is told so without another reading."""
    (tmp_path / "proc/42").mkdir(parents=True)
    table = tmp_path / "proc/42/mountinfo"
    table.write_bytes(b"x" * ((4 << 20) + 1))
    with Host(str(tmp_path)) as host:
        with pytest.raises(Malformed, match="larger than any"):
            host.read_kept("/proc/42/mountinfo")
        table.unlink()
        with pytest.raises(Malformed, match="larger than any"):
            host.read_kept("/proc/42/mountinfo")
