"""What the kernel's log says of OOM kills (mm/oom_kill.c), as records of /dev/kmsg: text to values, pure.

Names of programs and cgroups in it are somebody else's, and may look like the kernel's own words: pids are taken from where no name can
reach. Not covered: a line that another CPU's message cuts in two, as the one with the cgroups may be; the one that names the victim is
written at once.
"""

from __future__ import annotations

from cgtune.records import Record

_KILLED = "Killed process "
_CAUSES = ("Memory cgroup out of memory: ", "Out of memory: ", "Out of memory (oom_kill_allocating_task): ")
_SUMMARY = "oom-kill:constraint="
_MOST_PID_DIGITS = 7  # PID_MAX_LIMIT is 4 194 304


class OomKill(Record):
    """A process that the kernel says it killed, by the pid of the machine's own PID namespace."""

    pid: int
    command: str


class OomCause(Record):
    """What it says before of the one that it has chosen: ``task_path`` is its cgroup, ``limit_path`` the one whose limit was reached; None:
    the machine had no memory left. Both as the machine's own cgroup namespace spells them.
    """

    pid: int
    task_path: str
    limit_path: str | None


def parse_oom_record(record: str) -> OomKill | OomCause | None:
    """One record of /dev/kmsg, `3,812,5230911,-;Memory cgroup out of memory: Killed process 42 (app) total-vm:...`; None: it is another.

    Or `6,811,...;oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/a,task_memcg=/a/b,task=app,pid=42,uid=0`. Records that a program
    has written have a facility that is not the kernel's 0, whatever they say.
    """
    prefix, _, rest = record.partition(";")
    priority = prefix.partition(",")[0]
    if not (priority.isascii() and priority.isdigit() and len(priority) <= 3 and int(priority) < 8):
        return None
    message = rest.partition("\n")[0]
    for cause in _CAUSES:
        if message.startswith(cause + _KILLED):
            return _parse_killed(message.removeprefix(cause + _KILLED))
    return _parse_cause(message) if message.startswith(_SUMMARY) else None


def _parse_killed(text: str) -> OomKill | None:
    digits, _, rest = text.partition(" (")
    pid = _parse_pid(digits)
    return None if pid is None else OomKill(pid=pid, command=rest.rpartition(") total-vm:")[0] or rest.partition(")")[0])


def _parse_cause(text: str) -> OomCause | None:
    # From the end: what stands before may be a name that holds the same words
    before, _, _uid = text.rpartition(",uid=")
    before, _, digits = before.rpartition(",pid=")
    pid = _parse_pid(digits)
    paths, found, task = before.partition(",task_memcg=")
    if pid is None or not found:
        return None
    limit = paths.partition(",oom_memcg=")
    return OomCause(pid=pid, task_path=task.rpartition(",task=")[0] or task, limit_path=limit[2] if limit[1] else None)


def _parse_pid(digits: str) -> int | None:
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_PID_DIGITS else None
