"""How the end of a followed process is told in the log: what is known of it, how sure that is, and what was seen of it last."""

from __future__ import annotations

from cgtune.model import Kill
from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import format_bytes, format_parts, subject
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.cgroups.oomlog import OomCause, OomKill
    from cgtune.model import Off, ProcessReport
    from cgtune.service.journal import Journal
    from cgtune.service.ledger import End

_WARNING = 30  # logging's own number: its import is dear


class Ending(Record):
    """An end as it is told.

    ``status`` is what wait(2) says of it, None: not known. ``seen_seconds``: so long before the process was looked at last. ``cause`` is
    what the kernel's log says of the reason.
    """

    end: End
    time_seconds: float
    status: int | None
    seen_seconds: float
    uptime_seconds: float
    cause: OomCause | None = None

    @property
    def kill(self) -> Kill:
        """What is remembered of it if it was a kill."""
        snapshot, charged = self.end.process.snapshot, self.end.process.snapshot.charged_level
        observed = snapshot.go[0].observed if snapshot.go else None
        return Kill(
            time_seconds=self.time_seconds,
            pid=snapshot.process.pid,
            command=snapshot.process.command,
            certainty=self.end.certainty,
            limit_bytes=self.end.process.limits.memory.limit_bytes,
            current_bytes=charged.current_bytes if charged is not None else None,
            gomemlimit=_gomemlimit(self.end.process),
            heap_live_bytes=observed.heap_live_bytes if observed is not None else None,
            uptime_seconds=self.uptime_seconds,
        )

    @property
    def ended_by(self) -> str | None:
        """`signal 9` or `exit code 137`; None if that is not known."""
        if self.status is None:
            return None
        return f"signal {self.status & 0x7F}" if self.status & 0x7F else f"exit code {self.status >> 8 & 0xFF}"


def say_end(journal: Journal, ending: Ending) -> None:
    """One line: process-killed if the OOM killer was it, certainly or likely, else process-gone."""
    end, kill = ending.end, ending.kill
    process, charged = end.process, end.process.snapshot.charged_level
    is_killed = end.certainty in ("certain", "likely")
    fields: dict[str, object] = {"pid": kill.pid, "command": kill.command}
    if process.snapshot.container.id:
        fields["container_id"] = process.snapshot.container.id
    if process.snapshot.container.pod_uid:
        fields["uid"] = process.snapshot.container.pod_uid
    fields |= {"oom_killed": end.certainty, "ended_by": ending.ended_by, "uptime_seconds": round(ending.uptime_seconds, 2)}
    fields |= {"counter_rose": end.rose, "counter_of": end.where}
    if end.certainty != "no":
        parts = charged.parts if charged is not None else None
        fields |= {"limit_of": _limit_of(ending), "limit_bytes": kill.limit_bytes, "memory_bytes": kill.current_bytes}
        fields |= {"memory_parts": None if parts is None else dict(parts.items()), "gomemlimit": kill.gomemlimit}
        fields |= {"heap_live_bytes": kill.heap_live_bytes, "seen_seconds_before": round(ending.seen_seconds, 2)}
    if is_killed:
        words = f"{subject(process)} was killed by the OOM killer ({_reason(ending)}){_limit_words(ending)}; {_last_words(ending)}"
        journal.say("process-killed", words, fields, level=_WARNING)
    else:
        by = f" by {ending.ended_by}" if ending.ended_by is not None else ""
        journal.say("process-gone", f"{subject(process)} is gone{by}; killed by the OOM killer? {_reason(ending)}", fields)


def say_foreign_kill(journal: Journal, said: OomKill, cause: OomCause | None) -> None:
    """A kill of a process that is not followed, as the kernel's log tells it."""
    where = "" if cause is None else f" in {escape_control(cause.task_path)}"
    fields = {"pid": said.pid, "command": said.command, "cgroup": cause.task_path if cause is not None else None}
    journal.say(
        "oom-kill",
        f"the kernel's log: {said.pid} {escape_control(said.command)}{where} was killed by the OOM killer; it is not followed",
        fields,
    )


def _reason(ending: Ending) -> str:
    """How sure it is, and how that is known."""
    end = ending.end
    where = escape_control(end.where or "")
    times = f"{end.rose} OOM kill{'s' * (end.rose != 1)}"
    if end.certainty == "certain":
        return "certain: the kernel's log names it"
    if end.certainty == "likely":
        return f"likely: the kernel counted {times} in its cgroup {where} as it went"
    if (
        end.certainty == "possible"
        and end.process.snapshot.charged_level is not None
        and end.where == end.process.snapshot.charged_level.path
    ):
        return f"possible: the kernel counted {times} in its cgroup {where}, but other processes are in that too"
    if end.certainty == "possible":
        return f"possible: its own cgroup is gone too, and the counter of OOM kills of {where} above it rose by {end.rose}"
    if end.certainty == "unknown":
        return "not known: its cgroup is gone, or counts no OOM kills"
    if end.rose:
        return f"no, though the kernel counted {times} in {where}: that was another process"
    return "no" if ending.ended_by not in (None, "signal 9") else "no: none was counted in its cgroup"


def _limit_of(ending: Ending) -> str | None:
    if ending.cause is not None:
        return ending.cause.limit_path
    return ending.end.limit_of


def _limit_words(ending: Ending) -> str:
    if ending.cause is not None and ending.cause.limit_path is None:
        return " as the machine had no memory left"
    path = _limit_of(ending)
    return "" if path is None else f" at the limit of {escape_control(path)}"


def _last_words(ending: Ending) -> str:
    """What was seen of it last: its limit, memory by parts, GOMEMLIMIT, live heap, and how long it had run."""
    kill, charged = ending.kill, ending.end.process.snapshot.charged_level
    said = [f"limit {'none' if kill.limit_bytes is None else format_bytes(kill.limit_bytes)}"]
    if kill.current_bytes is not None:
        parts = format_parts(charged.parts) if charged is not None and charged.parts is not None else ""
        said.append(f"{format_bytes(kill.current_bytes)} charged {ending.seen_seconds:.1f} s before" + (f" ({parts})" if parts else ""))
    if kill.gomemlimit is not None:
        said.append(f"GOMEMLIMIT {'off' if kill.gomemlimit == 'off' else format_bytes(kill.gomemlimit)}")
    if kill.heap_live_bytes is not None:
        said.append(f"live heap {format_bytes(kill.heap_live_bytes)}")
    return ", ".join((*said, f"up {ending.uptime_seconds:.0f} s"))


def _gomemlimit(process: ProcessReport) -> int | Off | None:
    """What it had, as far as that was read, else what it derived."""
    for facts in process.snapshot.go[:1]:
        for setting in facts.settings:
            if setting.name == "GOMEMLIMIT":
                return setting.derived if setting.observed is None else setting.observed
    return None
