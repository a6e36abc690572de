"""What may hang on a foreign file system is asked of another process, with the same answers; all else is read here."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cgtune.errors import Unreadable
from cgtune.system import aside, backing, foreign, guarded
from cgtune.system.backing import Backing
from cgtune.system.foreign import Foreign
from cgtune.system.host import Host
from cgtune.system.root import Root
from cgtune.system.source import Files


@pytest.fixture
def pid() -> Iterator[int]:
    """That of a process of another program."""
    with subprocess.Popen(["sleep", "600"]) as process:
        while "(sleep) S" not in Path(f"/proc/{process.pid}/stat").read_text():
            time.sleep(0.01)
        yield process.pid
        process.kill()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that the other process is asked for."""
    found: list[str] = []
    ask = aside.Aside.ask

    def counted(self: aside.Aside, key: object, name: str, path: str, *more: int) -> Any:
        found.append(path)
        return ask(self, key, name, path, *more)

    monkeypatch.setattr(aside.Aside, "ask", counted)
    return found


def _reads(pid: int, folder: Path) -> list[tuple[str, str, tuple[int, ...]]]:
    below = f"/proc/{pid}/root{folder}"
    return [
        ("read_file_identity", f"/proc/{pid}/exe", ()),
        ("read_region", f"/proc/{pid}/exe", (0, 64)),
        ("read_whole", f"/proc/{pid}/maps", (1 << 20,)),
        ("read_region", f"/proc/{pid}/maps", (0, 64)),
        ("read_whole", f"/proc/{pid}/environ", (1 << 20,)),
        ("read_region", f"/proc/{pid}/mem", (0, 8)),
        ("read_whole", f"{below}/file", (100,)),
        ("read_link", f"{below}/link", ()),
        ("list_names", below, ()),
        ("list_folders", below, ()),
        ("read_identity", below, ()),
    ]


@pytest.fixture(autouse=True)
def _nothing_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What we run from ourselves would count as local."""
    monkeypatch.setattr(Foreign, "_own_devices", lambda _foreign: frozenset())


@pytest.mark.parametrize("local", [True, False])
def test_the_answers_are_the_same(pid: int, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, local: bool) -> None:
    """With local file systems alone nobody is asked; if none counts as local, each of these reads is made aside."""
    (tmp_path / "file").write_text("words")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    if not local:
        monkeypatch.setattr(backing, "LOCAL", frozenset())
    asks, plain = Files(Root("/"), "/", is_live=True), Files(Root("/"), "/", is_live=True, is_guarded=False)
    for name, path, more in _reads(pid, tmp_path):
        assert getattr(asks, name)(path, *more) == getattr(plain, name)(path, *more), (name, path)
    wanted = [] if local else [path for _, path, _ in _reads(pid, tmp_path)]
    assert sorted({*asked}) == sorted({*wanted})
    asks.forget("/")
    asks.close()
    plain.close()


def test_what_the_kernel_answers_is_read_here(pid: int, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Links, and what is no process's own; and our own files, as whoever waits for them is nobody but us."""
    monkeypatch.setattr(backing, "LOCAL", frozenset())
    with Host() as host:
        for name in ("stat", "status", "cgroup", "mountinfo"):
            host.read_text(f"/proc/{pid}/{name}")
        for name in ("exe", "ns/mnt"):
            host.read_link(f"/proc/{pid}/{name}")
        host.read_text("/proc/meminfo")
        host.read_text(f"/proc/{os.getpid()}/environ")
        host.list_directory(f"/proc/{pid}/fd")
    assert asked == []


def test_what_was_local_is_foreign_as_soon_as_its_mappings_tell_so(pid: int, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without foreign file systems no mapping is looked at; once there is one, each process is told anew."""
    monkeypatch.setattr(Backing, "is_local", lambda _backing: True)
    files, maps, memory = Files(Root("/"), "/", is_live=True), f"/proc/{pid}/maps", f"/proc/{pid}/mem"
    files.read_region(memory, 0, 8)
    files.read_region(memory, 0, 8)
    files.read_whole(maps)
    assert asked == []
    files.read_region(memory, 0, 8)
    monkeypatch.setattr(Backing, "is_local", lambda _backing: False)
    files.forget(f"/proc/{pid}")  # each process is told once
    monkeypatch.setattr(backing, "LOCAL", frozenset())
    files.read_whole(maps)
    files.read_region(memory, 0, 8)
    assert asked == [maps, memory]
    files.close()


def test_new_mappings_of_a_process_tell_anew(pid: int, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a file that was found not to sleep a moment before."""
    monkeypatch.setattr(Backing, "is_local", lambda _backing: False)
    files, maps, memory = Files(Root("/"), "/", is_live=True), f"/proc/{pid}/maps", f"/proc/{pid}/mem"
    monkeypatch.setattr(Foreign, "may_map", lambda _foreign, _pid: False)
    monkeypatch.setattr(Foreign, "_is_local", lambda _foreign, _device, _mounts: True)
    files.read_whole(maps)
    files.read_region(memory, 0, 8)
    files.read_region(memory, 0, 8)
    assert asked == []
    monkeypatch.setattr(Foreign, "_is_local", lambda _foreign, _device, _mounts: False)
    files.read_whole(maps)
    files.read_region(memory, 0, 8)
    assert asked == [memory]
    files.close()


def test_what_was_told_of_processes_is_bounded(pid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service meets as many pids as there are."""
    monkeypatch.setattr(guarded, "_MOST_LEARNED", 0)
    files = Files(Root("/"), "/", is_live=True)
    files.read_whole(f"/proc/{pid}/maps")
    assert {*files._devices} == {str(pid)}
    files.forget("/")
    assert not files._devices
    files.close()


def test_what_lies_below_a_root_hangs_on_its_mounts_alone(
    pid: int, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """autofs has no files and no entry among what backs them, and its daemon may have to mount what is asked for."""
    monkeypatch.setattr(Backing, "is_local", lambda _backing: True)
    monkeypatch.setattr(foreign.Foreign, "is_below_root", lambda *_whose: True)
    files, below = Files(Root("/"), "/", is_live=True), f"/proc/{pid}/root{tmp_path}"
    assert files.list_names(below) == []
    files.read_file_identity(f"/proc/{pid}/exe")
    assert asked == [below]
    files.close()


def test_what_is_late_is_told_with_the_next_step(pid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, whatever was asked."""
    monkeypatch.setattr(backing, "LOCAL", frozenset())
    monkeypatch.setattr(aside, "PROCESS_SECONDS", 0.0)
    with Host() as host, pytest.raises(Unreadable, match="does not answer in time; `findmnt` names it") as told:
        host.read_text(f"/proc/{pid}/environ")
    assert told.value.privilege is None


def test_a_process_that_is_read_anew_is_looked_up_anew(pid: int, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other process keeps open of it is closed when it is forgotten here."""
    monkeypatch.setattr(backing, "LOCAL", frozenset())
    files = Files(Root("/"), "/", is_live=True)
    files.read_region(f"/proc/{pid}/exe", 0, 4)
    guard = files._guard
    assert guard is not None
    assert guard._aside is not None
    helper = guard._aside._helper
    assert helper is not None

    def opened() -> int:
        return sum(os.readlink(f"/proc/{helper.pid}/fd/{name}").startswith(f"/proc/{pid}") for name in os.listdir(f"/proc/{helper.pid}/fd"))

    assert opened() == 1
    files.forget(f"/proc/{pid}")
    assert opened() == 0
    files.close()
    assert asked
