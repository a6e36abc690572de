"""Each command with little privilege, on real processes: docs/privileges.md has the table, and these runs hold it."""

from __future__ import annotations

import contextlib
import json
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.live.cgroups import own_groups
from tests.live.containers import Podman
from tests.support import goprograms, vantage
from tests.support.command import ROOT
from tests.support.goprograms import Probe
from tests.support.lintreports import MANIFEST
from tests.support.needs import only_where
from tests.support.vantage import NEEDS_NOTHING, Said

pytestmark = pytest.mark.live

_NOBODY, _SOMEBODY = 65534, 1000
_RULE = "gomaxprocs-exceeds-quota"


def _user(number: int) -> tuple[str, ...]:
    return ("setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups")


def _capabilities(*names: str, ambient: bool = False) -> tuple[str, ...]:
    words = ",".join(["-all", *(f"+{name}" for name in names)])
    return (f"--bounding-set={words}", f"--inh-caps={words}", *((f"--ambient-caps={words}",) if ambient else ()), "--")


def _mounted(script: str, *then: str) -> tuple[str, ...]:
    return ("unshare", "--mount", "sh", "-c", f'{script} && exec "$@"', "sh", *then)


_AS_NOBODY = (*_user(_NOBODY), "--")

# By its name in docs/privileges.md: the words before a program that bring it there.
PLACES: Mapping[str, tuple[str, ...]] = {
    "root": (),
    "root without capabilities": ("setpriv", *_capabilities()),
    "root with `SYS_PTRACE` alone": ("setpriv", *_capabilities("sys_ptrace")),
    "root with `SYS_PTRACE` and `DAC_READ_SEARCH`": ("setpriv", *_capabilities("sys_ptrace", "dac_read_search")),
    "nobody": _AS_NOBODY,
    "nobody with `SYS_PTRACE` alone": (*_user(_NOBODY), *_capabilities("sys_ptrace", ambient=True)),
    "root of a user namespace that nobody made": (*_AS_NOBODY, "unshare", "--user", "--map-root-user", "--"),
    "nobody, `hidepid=1`": _mounted("mount -t proc -o hidepid=1 proc /proc", *_AS_NOBODY),
    "nobody, `hidepid=2`": _mounted("mount -t proc -o hidepid=2 proc /proc", *_AS_NOBODY),
    "root, `hidepid=2`": _mounted("mount -t proc -o hidepid=2 proc /proc"),
    "root, `subset=pid`": _mounted("mount -t proc -o subset=pid proc /proc"),
    "root, no /dev/shm, and no folder that can be written to": _mounted(
        "umount /dev/shm; mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
    ),
}


class Programs:
    """Two Go programs under half a CPU and 128 MiB that believe in three CPUs, of two users, alone in a pid namespace.

    ``pids`` are their numbers in it, ``entering`` the words that bring a looker there, and ``folder`` is where it may write.
    """

    def __init__(self, folder: Path, holder: int, pids: Mapping[str, int]) -> None:
        self.folder = folder
        self.holder = holder
        self.pids = pids

    def look(self, place: str, user: str) -> Mapping[str, Said]:
        """What every command says of that user's program from there."""
        words = [word.format(folder=self.folder) for word in PLACES[place]]
        return vantage.look([*_entering(self.holder), *words], self.pids[user], str(self.folder))


def _entering(holder: int) -> tuple[str, ...]:
    return ("nsenter", f"--pid=/proc/{holder}/ns/pid_for_children", f"--mount=/proc/{holder}/ns/mnt", "--")


def _inner_pid(entered: int) -> int:
    """The number in its own namespace of what nsenter has started."""
    (child,) = Path(f"/proc/{entered}/task/{entered}/children").read_text().split()
    return int(Path(f"/proc/{child}/status").read_text().partition("NSpid:")[2].splitlines()[0].split()[-1])


@contextlib.contextmanager
def _namespace() -> Iterator[int]:
    """A pid namespace with a /proc of its own: nothing that others start on this machine is in it. Its end ends all that is in it."""
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", "echo ready; exec sleep 600"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"ready\n"
            yield holder.pid
        finally:
            holder.kill()


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    """They run as long as this module's tests."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    vantage.require_looker()
    with (
        tempfile.TemporaryDirectory() as name,
        own_groups() as groups,
        _namespace() as holder,
    ):  # not in pytest's folder, which is root's alone
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "orders.yaml").write_text(MANIFEST)
        program = folder / "server"
        shutil.copy(goprograms.build("1.24.11"), program)
        group = groups.make("app")
        group.limit_cpu(50_000)
        group.limit_memory(128 << 20)
        words = [(*_entering(holder), *group.entering([*_user(number), "--"])) for number in (_SOMEBODY, _NOBODY)]
        others, own = (Probe(program, wrapper=each, environment={"GOMAXPROCS": "3"}) for each in words)
        with others, own:
            yield Programs(folder, holder, {"another user": _inner_pid(others.pid), "nobody": _inner_pid(own.pid)})


@pytest.fixture(scope="module")
def everything(programs: Programs) -> Mapping[str, Said]:
    """What root says."""
    return programs.look("root", "another user")


def written_table() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """The table of docs/privileges.md: by the place and the program's user, what is known, what a note names and what a check gives."""
    part = (ROOT / "docs" / "privileges.md").read_text().partition("## Tried from every place")[2].partition("\n## ")[0]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in part.splitlines() if line.startswith("| ")]
    return {(row[0], row[1]): row[2:] for row in rows[1:]}


def told(said: Mapping[str, Said], pid: int) -> tuple[str, ...]:
    """The row of the table for these answers, after each command was held against what inspect knows."""
    known, entry = _known(said["inspect"])
    notes: list[dict[str, str | None]] = entry.get("notes", [])
    named = sorted({note["privilege"] for note in notes if note["privilege"]} or set(re.findall(r"CAP_\w+|hidepid=\w+", said["check"].err)))
    _assert_search_agrees(said["ps"], known, pid)
    _assert_values_agree(said["env"], known)
    _assert_recording_agrees(said, known, entry)
    assert (said["exec"].code, said["exec"].out) == (0, "here\n"), said["exec"]
    verdict, page = said["check"], said["serve"]
    assert page.code == 503, page
    if known == "everything":
        assert (verdict.code, page.out) == (1, verdict.out), (verdict, page)
        assert _RULE in verdict.out
        return (known, "", f"1, `{_RULE}`")
    assert (verdict.code, verdict.out) == (3, ""), verdict
    reason = verdict.err.removeprefix("cgtune: ").rpartition("; ")[0]
    assert page.out.startswith(reason) or known == "nothing", (page.out, reason)
    assert known == "nothing" or [json.loads(line).get("about") for line in page.err.splitlines() if '"trouble"' in line] == ["sight"], page
    return (known, ", ".join(f"`{name}`" for name in named), "3")


def _known(said: Said) -> tuple[str, dict[str, Any]]:
    if said.code:
        assert (said.code, said.out, said.err.count("\n")) == (3, "", 1), said
        return "nothing", {}
    (entry,) = json.loads(said.out)["processes"]
    limits = (entry["enforced"]["cpu"]["limit_cores"], entry["enforced"]["memory"]["limit_bytes"])
    if limits == (None, None):
        assert entry["go"] is None
        return "that it runs", entry
    assert limits == (0.5, 128 << 20)
    if entry["go"] is None:
        return "limits", entry
    assert entry["go"]["version"] == "1.24.11"
    setting = entry["settings"]["GOMAXPROCS"]
    values = (setting["derived"], setting["observed"])
    assert values in ((3, 3), (3, None), (None, None))
    return {(3, 3): "everything", (3, None): "all but live words", (None, None): "limits, Go's version"}[values], entry


def _assert_search_agrees(said: Said, known: str, pid: int) -> None:
    row = next((line for line in said.out.splitlines() if line.split()[:1] == [str(pid)]), None)
    assert said.code == 0
    if known in ("everything", "all but live words"):
        assert row is not None
        assert " 3 / 3 / 2 " in row
    elif known == "limits, Go's version":
        assert row is not None
        assert " ? / ? / 2 " in row
    else:
        assert row is None
        assert "could not be looked into" in said.out or "hidepid=" in said.out


def _assert_values_agree(said: Said, known: str) -> None:
    if known == "nothing":
        assert (said.code, said.out, said.err.count("\n")) == (3, "", 1), said
    elif known == "that it runs":
        assert (said.code, "GOMAXPROCS stays unset: its cgroups cannot be seen from here" in said.out) == (0, True), said
    else:
        assert (said.code, "\nGOMAXPROCS='2'\n" in said.out, "\nGOMEMLIMIT=" in said.out) == (0, True, True), said
    assert known == "everything" or "not seen: " in said.err or said.code == 3, said


def _assert_recording_agrees(said: Mapping[str, Said], known: str, entry: dict[str, Any]) -> None:
    made, replay = said["snapshot"], said["replay"]
    if made.code:
        assert (made.code, made.out, made.err.count("\n")) == (3, "", 1), made
        assert known == "nothing" or "Read-only file system; nothing was written" in made.err, made
        return
    (again,) = json.loads(replay.out)["processes"]
    assert _lasting(entry) == _lasting(again)


def _lasting(entry: dict[str, Any]) -> list[object]:
    """What of a report on a process does not move by itself."""
    enforced = [entry["enforced"][name][key] for name, key in (("cpu", "limit_cores"), ("memory", "limit_bytes"), ("cpu", "bound_by"))]
    version = entry["go"] and entry["go"]["version"]
    settings = [(name, each["derived"], each["observed"], each["observed_from"]) for name, each in (entry["settings"] or {}).items()]
    return [*enforced, version, settings, entry["notes"], [finding["rule"] for finding in entry["findings"]]]


@pytest.mark.parametrize("place", [*PLACES])
def test_each_place(place: str, programs: Programs, everything: Mapping[str, Said]) -> None:
    """Every command is right or says exactly what it lacks, a check never takes that for clean; what needs no privilege says the same."""
    written = written_table()
    users = [user for name, user in written if name == place]
    assert users, f"docs/privileges.md has no row for {place}"
    for user in users:
        said = everything if (place, user) == ("root", "another user") else programs.look(place, user)
        assert told(said, programs.pids[user]) == written[place, user]
        assert {name: said[name] for name in NEEDS_NOTHING} == {name: everything[name] for name in NEEDS_NOTHING}


@pytest.mark.parametrize(
    ("place", "rights"),
    [
        ("a container, the engine's own rights and seccomp profile", ()),
        ("the same with `SYS_PTRACE`", ("--cap-add", "SYS_PTRACE")),
    ],
)
def test_each_container(place: str, rights: tuple[str, ...], programs: Programs, podman: Podman, everything: Mapping[str, Said]) -> None:
    """The same in a real container that sees the pids of the namespace."""
    pid = programs.pids["another user"]
    words = ("--pid", f"ns:/proc/{programs.holder}/ns/pid_for_children", "--volume", f"{programs.folder}:{programs.folder}", *rights)
    done = podman.run(*words, argv=vantage.looker(pid, str(programs.folder)))
    assert done.returncode == 0, done.stderr
    said = vantage.parse_answers(done.stdout)
    assert told(said, pid) == written_table()[place, "another user"]
    assert {name: said[name] for name in NEEDS_NOTHING} == {name: everything[name] for name in NEEDS_NOTHING}


def test_the_table_has_no_row_that_is_not_tried() -> None:
    """Each place of the table is one of these runs."""
    (containers,) = (mark for mark in test_each_container.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    assert {place for place, _ in written_table()} == {*PLACES, *(place for place, _ in containers.args[1])}
