"""The lines of the log on an end: how sure it is, how that is known, and what was seen last."""

from __future__ import annotations

from typing import Any, cast

import pytest

from cgtune.cgroups.oomlog import OomCause
from cgtune.service.ending import Ending, say_end
from cgtune.service.ledger import End
from tests.rules.reports import MIB, go_facts, memory_level, report
from tests.service.test_ledger import EXITED, KILLED, LEAF, LIVING, POD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import ProcessReport


class _Journal:
    """Remembers the last line."""

    def say(self, event: str, message: str, fields: dict[str, Any], **_level: int) -> None:
        self.event, self.message, self.fields = event, message, fields


def _said(end: End, status: int | None = None, cause: OomCause | None = None) -> _Journal:
    journal = _Journal()
    ending = Ending(end=end, time_seconds=1000.0, status=status, seen_seconds=1.25, uptime_seconds=8.4, cause=cause)
    say_end(cast("Any", journal), ending)
    return journal


def _end(certainty: str, rose: int = 0, where: str | None = None, *, process: ProcessReport = LIVING, limit_of: str | None = None) -> End:
    return End(process=process, certainty=cast("Any", certainty), rose=rose, where=where, limit_of=limit_of)


NOWHERE = report(memory=())


@pytest.mark.parametrize(
    ("end", "status", "words"),
    [
        (_end("certain"), KILLED, "certain: the kernel's log names it"),
        (_end("likely", 1, LEAF), None, f"likely: the kernel counted 1 OOM kill in its cgroup {LEAF} as it went"),
        (
            _end("possible", 2, LEAF),
            None,
            f"possible: the kernel counted 2 OOM kills in its cgroup {LEAF}, but other processes are in that too",
        ),
        (
            _end("possible", 1, POD),
            KILLED,
            f"possible: its own cgroup is gone too, and the counter of OOM kills of {POD} above it rose by 1",
        ),
        (
            _end("possible", 1, POD, process=NOWHERE),
            None,
            f"possible: its own cgroup is gone too, and the counter of OOM kills of {POD} above",
        ),
        (_end("unknown"), KILLED, "not known: its cgroup is gone, or counts no OOM kills"),
        (_end("no", 1, LEAF), EXITED, f"no, though the kernel counted 1 OOM kill in {LEAF}: that was another process"),
        (_end("no"), EXITED, "no"),
        (_end("no"), KILLED, "no: none was counted in its cgroup"),
        (_end("no"), None, "no: none was counted in its cgroup"),
    ],
    ids=["named", "likely", "not alone", "above", "of no cgroup", "unknown", "another's", "exited", "killed by somebody", "not told"],
)
def test_how_sure_it_is_and_how_that_is_known(end: End, status: int | None, words: str) -> None:
    """A kill is claimed if it is certain or likely; of any other end the line asks the question, and answers it."""
    journal = _said(end, status)
    is_killed = end.certainty in ("certain", "likely")
    assert journal.event == ("process-killed" if is_killed else "process-gone")
    assert (f"was killed by the OOM killer ({words})" if is_killed else f"killed by the OOM killer? {words}") in journal.message
    assert journal.fields["oom_killed"] == end.certainty


@pytest.mark.parametrize(
    ("status", "by"), [(None, None), (KILLED, "signal 9"), (KILLED | 0x80, "signal 9"), (EXITED, "exit code 137"), (0, "exit code 0")]
)
def test_what_ended_it(status: int | None, by: str | None) -> None:
    """As wait(2) says, a core dump or not; nothing if that is not known."""
    journal = _said(_end("no"), status)
    assert journal.fields["ended_by"] == by
    assert (" is gone by " in journal.message) == (by is not None)
    assert by is None or f" is gone by {by};" in journal.message


@pytest.mark.parametrize(
    ("cause", "limit_of", "words", "told"),
    [
        (None, None, "", None),
        (None, POD, f" at the limit of {POD}", POD),
        (OomCause(pid=42, task_path=LEAF, limit_path="/a\x1b"), POD, r" at the limit of /a\x1b", "/a\x1b"),
        (OomCause(pid=42, task_path=LEAF, limit_path=None), POD, " as the machine had no memory left", None),
    ],
    ids=["not known", "by the counters", "by the log", "the machine's own"],
)
def test_whose_limit_it_was(cause: OomCause | None, limit_of: str | None, words: str, told: str | None) -> None:
    """The kernel's log knows it better than the counters; without a limit the machine itself was full."""
    journal = _said(_end("likely", 1, LEAF, limit_of=limit_of), cause=cause)
    assert f"as it went){words}; limit " in journal.message
    assert journal.fields["limit_of"] == told


def test_what_was_seen_last() -> None:
    """Its limit, what was charged and when that was, GOMEMLIMIT and the live heap; of what was not seen nothing is said."""
    level = memory_level(LEAF, 64 * MIB, current_bytes=63 * MIB)
    full = report(go_facts(memory=50 * MIB, heap_live_bytes=40 * MIB), memory=(level,))
    message = _said(_end("likely", 1, LEAF, process=full)).message
    assert "; limit 64 MiB, 63 MiB charged 1.2 s before, GOMEMLIMIT" in message
    assert message.endswith("GOMEMLIMIT 50 MiB, live heap 40 MiB, up 8 s")
    assert _said(_end("certain", process=NOWHERE)).message.endswith("; limit none, up 8 s")
    off = report(go_facts(memory=None, memory_derived="off"), memory=(level.replace(current_bytes=None),))
    assert _said(_end("certain", process=off)).message.endswith("; limit 64 MiB, GOMEMLIMIT off, up 8 s")
