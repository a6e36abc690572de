"""What the kernel's log says of OOM kills: real records, and names in them that pretend to be the kernel's words."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.cgroups.oomlog import OomCause, OomKill, parse_oom_record

#: Of Linux 6.18, as /dev/kmsg gave it; only the names of the cgroups and the command are shorter.
_SUMMARY = (
    "6,2767,2804781854,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/pod/app,"
    "task_memcg=/pod/app/x,task=goprobe,pid=4242,uid=0\n"
)
_KILLED = (
    "3,2768,2804781874,-;Memory cgroup out of memory: Killed process 4242 (goprobe) total-vm:100864kB, anon-rss:18956kB, "
    "file-rss:4272kB, shmem-rss:23808kB, UID:0 pgtables:160kB oom_score_adj:0\n"
)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (_SUMMARY, OomCause(pid=4242, task_path="/pod/app/x", limit_path="/pod/app")),
        (_KILLED, OomKill(pid=4242, command="goprobe")),
        (_KILLED.replace("Memory cgroup o", "O"), OomKill(pid=4242, command="goprobe")),
        (
            _SUMMARY.replace("oom_memcg=/pod/app", "global_oom").replace("MEMCG", "NONE"),
            OomCause(pid=4242, task_path="/pod/app/x", limit_path=None),
        ),
        (_KILLED.replace("3,", "11,", 1), None),  # LOG_USER: a program wrote it
        (_KILLED.replace("4242", "99999999"), None),
        (_KILLED.replace("Memory", "x Memory"), None),
        (_KILLED.replace("3,", "x,", 1), None),
        ("4,1,2,-;usb 1-1: new device", None),
        ("", None),
    ],
)
def test_records(record: str, expected: OomKill | OomCause | None) -> None:
    """The two lines of a kill, of the machine's own shortage too, and everything else."""
    assert parse_oom_record(record) == expected


@pytest.mark.parametrize(
    ("command", "record", "pid"),
    [
        ("x,pid=1,uid=0", _SUMMARY.replace("task=goprobe", "task=x,pid=1,uid=0"), 4242),
        ("a) total-vm:1kB", _KILLED.replace("(goprobe)", "(a) total-vm:1kB)"), 4242),
        ("Killed process 1", _KILLED.replace("goprobe", "Killed process 1 (x)"), 4242),
    ],
)
def test_a_name_names_nobody_else(command: str, record: str, pid: int) -> None:
    """A command chooses its own name, and no other process is taken for killed for it."""
    found = parse_oom_record(record)
    assert found is not None, command
    assert found.pid == pid


@given(st.text())
def test_any_text_is_a_record_or_none(text: str) -> None:
    """Nothing is raised."""
    parse_oom_record(text)
    parse_oom_record(f"3,1,2,-;Memory cgroup out of memory: Killed process {text}")
    parse_oom_record(f"6,1,2,-;oom-kill:constraint={text}")
