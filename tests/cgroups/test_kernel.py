"""Kernel text to values: each format's good lines beside its bad ones, and any bytes at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cgtune.cgroups import kernel
from cgtune.cgroups.kernel import MachineTicks
from cgtune.errors import Malformed
from cgtune.model import Bandwidth, ByteLimit, Membership, MemoryEvents, MemoryParts, Stall, Throttling

PARSERS: dict[str, Callable[[str], object]] = {
    "parse_count": kernel.parse_count,
    "parse_cpu_max": kernel.parse_cpu_max,
    "parse_cfs_quota": lambda text: kernel.parse_cfs_quota(text, text),
    "parse_byte_limit": kernel.parse_byte_limit,
    "parse_flat_keyed": kernel.parse_flat_keyed,
    "parse_memory_stat": kernel.parse_memory_stat,
    "parse_memory_events": kernel.parse_memory_events,
    "parse_flag": kernel.parse_flag,
    "parse_cpu_stat": kernel.parse_cpu_stat,
    "parse_cpu_usage": kernel.parse_cpu_usage,
    "parse_nanoseconds": kernel.parse_nanoseconds,
    "parse_schedstat": kernel.parse_schedstat,
    "parse_uptime": kernel.parse_uptime,
    "parse_machine_ticks": kernel.parse_machine_ticks,
    "parse_cpu_list": kernel.parse_cpu_list,
    "parse_pressure": kernel.parse_pressure,
    "parse_cgroup": kernel.parse_cgroup,
    "parse_mountinfo": kernel.parse_mountinfo,
    "unescape_octal": kernel.unescape_octal,
    "parse_stat": kernel.parse_stat,
    "parse_stat_memory": kernel.parse_stat_memory,
    "parse_status_affinity": kernel.parse_status_affinity,
    "parse_fdinfo": kernel.parse_fdinfo,
    "parse_meminfo": kernel.parse_meminfo,
    "parse_boot_time": kernel.parse_boot_time,
    "parse_online_cpus": kernel.parse_online_cpus,
    "parse_controllers": kernel.parse_controllers,
    "parse_enabled_controllers": kernel.parse_enabled_controllers,
}

CPU_STAT = (
    "usage_usec 10\nuser_usec 4\nsystem_usec 6\nnr_periods 100\nnr_throttled 25\nthrottled_usec 1500000\nnr_bursts 3\nburst_usec 90000\n"
)
PSI = "some avg10=1.50 avg60=0.25 avg300=0.00 total=2500000\n"

# Parser, text, value.
GOOD: list[tuple[str, str, Any]] = [
    ("parse_count", "0\n", 0),
    ("parse_count", "18446744073709551615\n", 2**64 - 1),
    ("parse_cpu_max", "250000 100000\n", Bandwidth(quota_us=250000, period_us=100000)),
    ("parse_cpu_max", "max 100000\n", Bandwidth(quota_us=None, period_us=100000)),
    ("parse_cpu_max", "1000 1000000", Bandwidth(quota_us=1000, period_us=1000000)),
    ("parse_byte_limit", "536870912\n", ByteLimit(limit_bytes=536870912)),
    ("parse_byte_limit", "0\n", ByteLimit(limit_bytes=0)),
    ("parse_byte_limit", "max\n", ByteLimit(limit_bytes=None)),
    ("parse_byte_limit", "9223372036854771712\n", ByteLimit(limit_bytes=None)),  # v1, pages of 4 KiB
    ("parse_byte_limit", "9223372036854710272\n", ByteLimit(limit_bytes=None)),  # v1, pages of 64 KiB
    ("parse_byte_limit", "9223372036854775807\n", ByteLimit(limit_bytes=None)),  # v1 before 3.19
    ("parse_byte_limit", "-1\n", ByteLimit(limit_bytes=None)),
    ("parse_byte_limit", "4611686018427387903", ByteLimit(limit_bytes=2**62 - 1)),
    ("parse_flat_keyed", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", {"oom_kill_disable": 0, "under_oom": 0, "oom_kill": 3}),
    ("parse_flat_keyed", "", {}),
    ("parse_memory_stat", "anon 5\nfile 7\nshmem 1\npgfault 99\nslab_reclaimable 2\n", {"anon": 5, "shmem": 1, "slab_reclaimable": 2}),
    ("parse_memory_events", "low 3\nhigh 0\nmax 301\noom 1\noom_kill 2\n", MemoryEvents(high=0, max=301, oom=1, oom_kill=2)),
    ("parse_memory_events", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", MemoryEvents(oom_kill=3)),
    ("parse_memory_events", "oom_kill_disable 0\nunder_oom 0\n", MemoryEvents()),  # v1 before 4.13
    ("parse_flag", "1\n", True),
    ("parse_flag", "0\n", False),
    ("parse_cpu_stat", CPU_STAT, Throttling(periods=100, throttled_periods=25, throttled_seconds=1.5, bursts=3, burst_seconds=0.09)),
    (
        "parse_cpu_stat",
        "nr_periods 4\nnr_throttled 2\nthrottled_time 500000000\n",
        Throttling(periods=4, throttled_periods=2, throttled_seconds=0.5),
    ),
    (
        "parse_cpu_stat",
        "nr_periods 4\nnr_throttled 2\nthrottled_time 500000000\nnr_bursts 1\nburst_time 30000000\n",
        Throttling(periods=4, throttled_periods=2, throttled_seconds=0.5, bursts=1, burst_seconds=0.03),
    ),
    *(
        (
            "parse_cpu_stat",
            f"nr_periods 4\nnr_throttled {throttled}\nthrottled_time 500000000\n",
            Throttling(periods=4, throttled_periods=4, throttled_seconds=0.5),
        )
        for throttled in (5, 18446744073709551616)  # the second number is printed after a period more, or is no kernel's
    ),
    ("parse_cpu_stat", "usage_usec 10\nuser_usec 4\nsystem_usec 6\n", None),  # v2 without the cpu controller
    ("parse_cpu_stat", "nr_periods 4\nnr_throttled 2\n", None),
    ("parse_cpu_usage", CPU_STAT, 0.00001),
    ("parse_cpu_usage", "nr_periods 4\nnr_throttled 2\nthrottled_time 500000000\n", None),  # v1
    ("parse_nanoseconds", "4711000000\n", 4.711),
    ("parse_schedstat", "93330 6598457 2\n", (0.00009333, 0.006598457)),
    ("parse_schedstat", "93330 0 2\n", (0.00009333, 0.0)),
    ("parse_schedstat", "0 0 0\n", None),  # a kernel that does not count
    ("parse_uptime", "407.30 564.17\n", 407.3),
    (
        "parse_machine_ticks",
        "cpu  1 20 300 4000 50000 6 70 800 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n",
        MachineTicks(busy=397, idle=54000, steal=800),
    ),
    ("parse_machine_ticks", "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\nbtime 1\n", None),  # gVisor
    ("parse_machine_ticks", "btime 1700000000\n", None),
    ("parse_cpu_list", "0-3,8,10-11\n", frozenset({0, 1, 2, 3, 8, 10, 11})),
    ("parse_cpu_list", "0\n", frozenset({0})),
    ("parse_cpu_list", "\n", frozenset()),
    ("parse_cpu_list", "65535", frozenset({65535})),
    ("parse_pressure", PSI, (Stall(avg10_percent=1.5, avg60_percent=0.25, avg300_percent=0.0, total_seconds=2.5), None)),
    ("parse_cgroup", "0::/a\n", (Membership(hierarchy_id=0, controllers=(), path="/a"),)),
    ("parse_cgroup", "4:cpu,cpuacct:/a:b c\n", (Membership(hierarchy_id=4, controllers=("cpu", "cpuacct"), path="/a:b c"),)),
    ("parse_cgroup", "1:name=systemd:/x\n", (Membership(hierarchy_id=1, controllers=("name=systemd",), path="/x"),)),
    ("parse_cgroup", "0::/../b (deleted)\n", (Membership(hierarchy_id=0, controllers=(), path="/../b (deleted)"),)),
    ("parse_cgroup", "", ()),
    ("unescape_octal", r"/a\040b\134c\011", "/a b\\c\t"),
    ("unescape_octal", r"/a\0401", "/a 1"),
    ("unescape_octal", r"/\303\244", "/\udcc3\udca4"),  # bytes beyond ASCII, as os.fsdecode has those that are no text
    ("unescape_octal", "/plain", "/plain"),
    ("parse_status_affinity", "Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\n", frozenset({0, 1, 2, 3})),
    (
        "parse_meminfo",
        "MemTotal:       16280952 kB\nHugePages_Total:       0\nSwapTotal: 1 kB\n",
        {"MemTotal": 16671694848, "SwapTotal": 1024},
    ),
    ("parse_fdinfo", "pos:\t0\nflags:\t02100000\nmnt_id:\t32\nino:\t72559\n", 72559),
    ("parse_fdinfo", "pos:\t0\nflags:\t02100000\nmnt_id:\t32\n", None),
    ("parse_boot_time", "cpu  1 2\nbtime 1700000000\nprocesses 3\n", 1700000000),
    ("parse_online_cpus", "cpu  1 2\ncpu0 1 2\ncpu3 1 2\nintr 7\n", frozenset({0, 3})),
    ("parse_controllers", "cpuset cpu io memory hugetlb\n", frozenset({"cpuset", "cpu", "io", "memory", "hugetlb"})),
    ("parse_controllers", "\n", frozenset()),
    (
        "parse_enabled_controllers",
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t7\t1\nmemory\t0\t1\t0\n",
        frozenset({"cpu"}),
    ),
]

BAD: list[tuple[str, str]] = [
    ("parse_count", ""),
    ("parse_count", "-1"),
    ("parse_count", "+1"),
    ("parse_count", "1_000"),
    ("parse_count", "1 2"),
    ("parse_count", "1.0"),
    ("parse_count", "٣"),
    ("parse_count", "²"),
    ("parse_count", "9" * 21),
    ("parse_count", "1\0"),
    ("parse_cpu_max", ""),
    ("parse_cpu_max", "100000"),
    ("parse_cpu_max", "max"),
    ("parse_cpu_max", "max max"),
    ("parse_cpu_max", "-1 100000"),
    ("parse_cpu_max", "50000 100000 0"),
    ("parse_cpu_max", "5e4 100000"),
    ("parse_byte_limit", ""),
    ("parse_byte_limit", "-2"),
    ("parse_byte_limit", "1G"),
    ("parse_byte_limit", "MAX"),
    ("parse_flat_keyed", "low"),
    ("parse_memory_stat", "anon"),
    ("parse_memory_stat", "anon -1"),
    ("parse_memory_events", "oom_kill"),
    ("parse_memory_events", "oom_kill x"),
    ("parse_flag", ""),
    ("parse_flag", "yes"),
    ("parse_flat_keyed", "low 1 2"),
    ("parse_flat_keyed", "low -1"),
    ("parse_flat_keyed", " 1"),
    ("parse_flat_keyed", "low 1\n\nhigh 2"),
    ("parse_cpu_stat", "nr_periods x\n"),
    ("parse_cpu_usage", "usage_usec many\n"),
    ("parse_nanoseconds", "-1\n"),
    ("parse_schedstat", "93330 6598457\n"),
    ("parse_schedstat", "93330 6598457 2 1\n"),
    ("parse_schedstat", "93330 -1 2\n"),
    ("parse_uptime", ""),
    ("parse_uptime", "407.30\n"),
    ("parse_uptime", "-407.30 1.0\n"),
    ("parse_machine_ticks", "cpu  1 2 3 4 5 6 7 x\n"),
    ("parse_cpu_list", "3-1"),
    ("parse_cpu_list", "0-"),
    ("parse_cpu_list", "-3"),
    ("parse_cpu_list", "0,,1"),
    ("parse_cpu_list", "0-99999999999"),
    ("parse_cpu_list", "65536"),
    ("parse_cpu_list", "1,0"),
    ("parse_cpu_list", "0-3,3"),
    ("parse_cpu_list", "0-7:1/2"),
    ("parse_pressure", ""),
    ("parse_pressure", "some avg10=x avg60=0.25 avg300=0.00 total=1"),
    ("parse_pressure", "some avg10=1.50 avg60=0.25 total=1"),
    ("parse_pressure", "some avg10=nan avg60=0.25 avg300=0.00 total=1"),
    ("parse_pressure", "none avg10=1.50 avg60=0.25 avg300=0.00 total=1"),
    ("parse_cgroup", "0:/a"),
    ("parse_cgroup", "x::/a"),
    ("parse_cgroup", "0::a"),
    ("parse_cgroup", "0::"),
    ("parse_cgroup", "-1::/a"),
    ("parse_cgroup", "0::/a\0b"),
    ("parse_cgroup", "0::/" + "a/" * 2100),
    ("parse_mountinfo", "36 35 98:0 / /mnt rw ext4 /dev/root rw"),
    ("parse_mountinfo", "36 35 98:0 / /mnt - ext4 /dev/root rw"),
    ("parse_mountinfo", "36 35 98:0 / /mnt rw - ext4"),
    ("parse_mountinfo", "x 35 98:0 / /mnt rw - ext4 /dev/root rw"),
    ("parse_mountinfo", "36 35 98:0 / /m\\04 rw - ext4 /dev/root rw"),
    ("unescape_octal", "\\"),
    ("unescape_octal", "\\8"),
    ("unescape_octal", "\\400"),
    ("unescape_octal", "\\04"),
    ("unescape_octal", "\\04x"),
    ("parse_stat", ""),
    ("parse_stat_memory", "42 (a) S 1"),
    ("parse_stat_memory", "42 (a) S 0 0 0 0 0 x " + "0 " * 20),
    ("parse_stat", "42 (a) S 1"),
    ("parse_stat", "42 a S " + "0 " * 30),
    ("parse_stat", "42 (a) SS " + "0 " * 30),
    ("parse_stat", "42 )a( S " + "0 " * 30),
    ("parse_stat", "42 (a) S " + "0 " * 18 + "x " + "0 " * 10),
    ("parse_status_affinity", ""),
    ("parse_status_affinity", "Cpus_allowed_list:\tall"),
    ("parse_meminfo", ""),
    ("parse_meminfo", "MemTotal: many kB"),
    ("parse_fdinfo", "ino:\tmany\n"),
    ("parse_boot_time", "cpu 1"),
    ("parse_online_cpus", "cpu  1 2\nbtime 1\n"),
    ("parse_online_cpus", "cpu99999999 1 2\n"),
    ("parse_online_cpus", f"cpu{'9' * 5000} 1 2\n"),
    ("parse_controllers", "cpu,io"),
    ("parse_enabled_controllers", "cpu 1 7\n"),
    ("parse_boot_time", "btime soon"),
]


@pytest.mark.parametrize(("parser", "text", "value"), GOOD)
def test_what_the_kernel_writes(parser: str, text: str, value: object) -> None:
    """Each line that a kernel prints becomes the value that it means."""
    assert value == PARSERS[parser](text)


def test_the_same_memberships_are_parsed_once() -> None:
    """A process and its threads are asked again and again, and those in its cgroup; after eight other texts the old one is let go."""
    first = kernel.parse_cgroup("4:cpu:/a\n0::/a\n")
    assert kernel.parse_cgroup("4:cpu:/a\n0::/a\n") is first
    for number in range(8):
        assert kernel.parse_cgroup("4:cpu:/a\n0::/a\n") is first
        assert [membership.path for membership in kernel.parse_cgroup(f"0::/b{number}\n")] == [f"/b{number}"]
    again = kernel.parse_cgroup("4:cpu:/a\n0::/a\n")
    assert again == first
    assert again is not first


@pytest.mark.parametrize(("parser", "text"), BAD)
def test_what_no_kernel_writes(parser: str, text: str) -> None:
    """Another shape is refused in one printable line of bounded length."""
    with pytest.raises(Malformed) as refused:
        PARSERS[parser](text)
    assert len(str(refused.value)) < 200
    assert str(refused.value).isprintable()


def test_every_parser_is_in_the_tables() -> None:
    """Each parse_ function of the module has good rows and bad ones, or a test of its own below."""
    parsers = {name for name in vars(kernel) if name.startswith("parse_")} | {"unescape_octal"}
    own = {"parse_cfs_quota", "parse_mountinfo", "parse_stat", "parse_stat_memory"}
    assert parsers == set(PARSERS)
    assert {row[0] for row in GOOD} | own == parsers
    assert {row[0] for row in BAD} | own == parsers


# One cgroup as either version tells of it: 5 MiB of heap, 9 of files, 4 of them in tmpfs, 2 locked, and half of one waiting for the disk.
STAT_V2 = (
    "anon 5242880\nfile 9437184\nkernel 1048576\nkernel_stack 16384\nshmem 4194304\nfile_mapped 2097152\nfile_dirty 262144\n"
    "file_writeback 262144\ninactive_file 1048576\nactive_file 2097152\nunevictable 2097152\nslab_reclaimable 65536\n"
)
STAT_V1 = (
    "cache 1\nrss 1\nshmem 1\ninactive_file 1\nactive_file 1\nhierarchical_memory_limit 9223372036854771712\n"
    "total_cache 9437184\ntotal_rss 5242880\ntotal_shmem 4194304\ntotal_mapped_file 2097152\ntotal_dirty 262144\ntotal_writeback 262144\n"
    "total_swap 12288\ntotal_inactive_file 1048576\ntotal_active_file 2097152\ntotal_unevictable 2097152\n"
)
PARTS = MemoryParts(
    anonymous_bytes=5 << 20,
    active_file_bytes=2 << 20,
    inactive_file_bytes=1 << 20,
    mapped_bytes=2 << 20,
    unevictable_bytes=2 << 20,
    shared_bytes=4 << 20,
    dirty_bytes=256 << 10,
    writeback_bytes=256 << 10,
)


@pytest.mark.parametrize(
    ("version", "text", "parts", "reclaimable"),
    [
        pytest.param(2, STAT_V2, PARTS.replace(kernel_bytes=1 << 20, slab_reclaimable_bytes=64 << 10), (2560 + 64) << 10, id="v2"),
        pytest.param(1, STAT_V1, PARTS.replace(swapped_bytes=12288), 2560 << 10, id="v1: the whole subtree's figures"),
        pytest.param(2, "kernel_stack 1\npagetables 2\npercpu 4\nslab 8\n", MemoryParts(kernel_bytes=15), None, id="v2 before 5.18"),
        pytest.param(2, "file 9\nshmem 4\n", MemoryParts(shared_bytes=4), None, id="without the lists nothing is known"),
        pytest.param(1, "cache 9\nrss 3\n", MemoryParts(), None, id="v1 without a subtree"),
        pytest.param(
            2,
            "inactive_file 4096\nactive_file 0\nfile_dirty 8192\n",
            MemoryParts(inactive_file_bytes=4096, active_file_bytes=0, dirty_bytes=8192),
            0,
            id="dirty pages that are locked",
        ),
    ],
)
def test_what_memory_consists_of(version: int, text: str, parts: MemoryParts, reclaimable: int | None) -> None:
    """Locked pages, shared memory and what waits for the disk are not given back, though memory.stat counts them as files."""
    found = kernel.count_memory_parts(kernel.parse_memory_stat(text), version)
    assert (found, found.reclaimable_bytes) == (parts, reclaimable)


@pytest.mark.parametrize(
    ("version", "text", "refaults"),
    [
        (2, "workingset_refault_anon 3\nworkingset_refault_file 40\n", 43),
        (2, "workingset_refault 31\n", 31),  # before Linux 5.9
        (2, "anon 1\n", None),
        (1, "workingset_refault_file 9\ntotal_workingset_refault_anon 0\ntotal_workingset_refault_file 5\n", 5),
        (1, "total_workingset_refault 7\n", 7),
    ],
)
def test_pages_that_came_back(version: int, text: str, refaults: int | None) -> None:
    """Refaults of programs and of files are added up; v1's of the cgroup alone are left out, as all its figures without total_."""
    assert kernel.count_refaults(kernel.parse_memory_stat(text), version) == refaults


@pytest.mark.parametrize(
    ("quota", "period", "cores"),
    [("50000\n", "100000\n", 0.5), ("-1\n", "100000\n", None), ("-5", "100000", None), ("300000", "100000", 3.0), ("1000", "0", None)],
)
def test_v1_quotas(quota: str, period: str, cores: float | None) -> None:
    """Any negative number is "no limit" on cgroup v1; a period of 0 limits nothing."""
    assert kernel.parse_cfs_quota(quota, period).limit_cores == cores


@pytest.mark.parametrize(
    ("quota", "period"), [("", "100000"), ("-", "100000"), ("--1", "100000"), ("max", "100000"), ("1000", "-1"), ("1", "")]
)
def test_v1_quotas_that_are_none(quota: str, period: str) -> None:
    """Neither half may be anything but a number."""
    with pytest.raises(Malformed):
        kernel.parse_cfs_quota(quota, period)


def test_mountinfo_fields() -> None:
    """Optional fields, several or none, and super options with blanks, as on WSL2's 9p lines, do not shift the others."""
    text = (
        "36 35 98:0 /a\\040b /c\\134d rw,noatime master:1 shared:2 - ext4 /dev/root rw,errors=continue\n"
        "37 35 0:50 / /mnt/c rw - 9p C:\\134 rw,aname=drvfs;path=C:\\;uid=0;symlinkroot=/mnt/, cache=5\n"
        "38 35 0:26 /../.. /sys/fs/cgroup ro - cgroup2  rw\n"
    )
    first, second, third = kernel.parse_mountinfo(text)
    assert (first.mount_id, first.parent_id, first.device, first.root, first.mount_point) == (36, 35, "98:0", "/a b", "/c\\d")
    assert (first.filesystem, first.super_options) == ("ext4", ("rw", "errors=continue"))
    assert (second.filesystem, second.mount_point) == ("9p", "/mnt/c")
    assert second.super_options == ("rw", "aname=drvfs;path=C:\\;uid=0;symlinkroot=/mnt/", " cache=5")
    assert (third.filesystem, third.root, third.super_options) == ("cgroup2", "/../..", ("rw",))


@pytest.mark.parametrize("command", ["sh", "a b", "a) S 1 (b", "((", "))", "", "x\ny", "\udcff"])
def test_a_command_may_hold_anything(command: str) -> None:
    """The command ends at the last parenthesis, whatever a program calls itself."""
    stat = kernel.parse_stat(f"42 ({command}) S {'0 ' * 18}777 0 0\n")
    assert (stat.command, stat.state, stat.start_ticks) == (command, "S", 777)


def test_each_field_of_a_stat_line_is_where_the_manual_has_it() -> None:
    """proc_pid_stat(5): faults are field 12, CPU time 14 and 15, threads 20, the start 22, the policy 41, the environment 50.

    Old recordings may end before.
    """
    numbers = " ".join(str(field) for field in range(4, 53))
    stat = kernel.parse_stat(f"1 (x) S {numbers}\n")
    assert (stat.major_faults, stat.cpu_ticks) == (12, 14 + 15)
    assert (stat.threads, stat.start_ticks, stat.scheduling, stat.environ_start) == (20, 22, 41, 50)
    short = kernel.parse_stat(f"1 (x) S {' '.join(numbers.split()[:30])}\n")
    assert (short.scheduling, short.environ_start) == (0, 0)
    just = kernel.parse_stat(f"1 (x) S {' '.join(numbers.split()[:38])}\n")
    assert (just.scheduling, just.environ_start) == (41, 0)


def test_a_key_of_status_begins_a_line() -> None:
    """A name that holds the key, as only a thread of the kernel's has so long a one, is not the key."""
    assert kernel.parse_status_affinity("Name:\tCpus_allowed_list:\t9\nCpus_allowed_list:\t0-1\n") == {0, 1}


@pytest.mark.parametrize("parser", PARSERS)
@given(text=st.one_of(st.text(), st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))))
def test_any_text_is_a_value_or_malformed(parser: str, text: str) -> None:
    """No text and no bytes make a parser raise anything but its own error."""
    with_error(parser, text)


# Pieces that real files are made of: put together at random they come closer to a parser's inner branches than any text does.
_WORDS = "0|1|-1|max|100000| |\n|,|-|:|/|..|\\|\\040|some |full |avg10=|avg60=|avg300=|total=|0.00|.|(|)|S |cpu|cgroup2| - |\t|\0|é|\udcff"
_KEYS = "nr_periods |nr_throttled |throttled_usec |throttled_time |MemTotal:| kB|btime |Cpus_allowed_list:|9999999999999999999"
PIECES = st.sampled_from([*_WORDS.split("|"), *_KEYS.split("|")])


@pytest.mark.parametrize("parser", PARSERS)
@given(text=st.lists(PIECES, max_size=40).map("".join))
def test_any_pieces_are_a_value_or_malformed(parser: str, text: str) -> None:
    """Nor does anything that looks like a kernel's file."""
    with_error(parser, text)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "piece", ["0", "0 ", "0-9,", "\n", "a 1\n", "0::/\n", "some \n", "\\040", "(", "1 2 0:3 / / - a b c\n", "\0", "btime \n"]
)
def test_a_file_at_the_cap_takes_no_time(parser: str, piece: str) -> None:
    """A file as large as cgtune reads, of anything, is parsed or refused in time that grows with its size alone: a 32nd is a blink."""
    text = piece * ((1 << 18) // len(piece))
    before = time.process_time()
    with_error(parser, text)
    assert time.process_time() - before < 2


@given(cpus=st.frozensets(st.integers(0, 300)))
def test_cpu_lists_are_the_inverse_of_their_text(cpus: frozenset[int]) -> None:
    """What the report writes as a CPU list is read as the same CPUs."""
    from cgtune.outputs.words import format_cpu_list

    assert cpus == kernel.parse_cpu_list(format_cpu_list(cpus))


@given(st.text(st.characters(max_codepoint=0x2FF, exclude_categories=["Cs"])))
def test_octal_escapes_are_the_inverse_of_the_kernels(text: str) -> None:
    """What the kernel escapes is read as it was."""
    assert text == kernel.unescape_octal(kernel.escape_octal(text))


@given(quota=st.integers(1, 10**12), period=st.integers(1000, 1_000_000))
def test_cpu_max_says_quota_over_period(quota: int, period: int) -> None:
    """v2's and v1's spelling of one quota say the same number of cores."""
    assert kernel.parse_cpu_max(f"{quota} {period}\n").limit_cores == quota / period
    assert kernel.parse_cfs_quota(f"{quota}\n", f"{period}\n").limit_cores == quota / period


def with_error(parser: str, text: str) -> None:
    """Parse; Malformed is an answer, anything else is not."""
    try:
        PARSERS[parser](text)
    except Malformed as refused:
        assert len(str(refused)) < 1000  # noqa: PT017  # raised or not, both are right


STAT = "7 (a) b) S 1 7 7 0 -1 4194304 {faults} 0 {major} 0 3 4 0 0 20 0 1 0 {start} {size} 190 18446744073709551615"


@pytest.mark.parametrize(
    ("now", "same"),
    [
        ({}, True),
        ({"faults": 101}, False),
        ({"major": 4}, False),
        ({"start": 78}, False),
        ({"size": 8192}, False),
    ],
)
def test_when_nothing_new_can_run(now: dict[str, int], same: bool) -> None:
    """A fault, another size, another process: each of them alone says that something may."""
    before = {"faults": 100, "major": 3, "start": 77, "size": 4096}
    counters = [kernel.parse_stat_memory(STAT.format(**values))[1] for values in (before, before | now)]
    assert (counters[0] == counters[1]) is same


def test_where_faults_are_not_counted_nothing_is_proven() -> None:
    """gVisor prints zeros."""
    assert kernel.parse_stat_memory(STAT.format(faults=0, major=0, start=77, size=4096)) == (False, None)
    with pytest.raises(Malformed):
        kernel.parse_stat_memory("7 (a) S 1")


@pytest.mark.parametrize(("state", "threads", "asleep"), [("S", 1, True), ("D", 1, True), ("I", 1, True), ("R", 1, False), ("S", 2, False)])
def test_one_thread_asleep(state: str, threads: int, *, asleep: bool) -> None:
    """One that is on no run queue, and no other one beside it."""
    line = STAT.format(faults=1, major=0, start=77, size=4096).replace(") S ", f") {state} ").replace(" 20 0 1 0 ", f" 20 0 {threads} 0 ")
    assert kernel.is_one_thread_asleep(line) is asleep
