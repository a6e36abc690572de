"""The kernel's log: from now on, without blocking, and only the kernel's."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cgtune.errors import Unreadable, UsageError
from cgtune.system.kernellog import KernelLog, require_live
from tests.support.needs import require


@pytest.fixture
def log() -> KernelLog:
    """This machine's."""
    try:
        return KernelLog("/")
    except Unreadable as error:
        require(False, str(error))
        raise


def test_it_says_what_comes_from_now_on(log: KernelLog) -> None:
    """What was said before is not read, what a program writes to it is."""
    list(log.read())
    words = f"cgtune test {os.getpid()}"
    with open("/dev/kmsg", "w", encoding="ascii") as device:
        device.write(f"{words}\n")  # without an end it would wait for the next one
    assert any(words in record for record in log.read())
    assert not any(words in record for record in log.read())
    log.close()


def test_what_was_overwritten_is_counted(monkeypatch: pytest.MonkeyPatch, log: KernelLog) -> None:
    """EPIPE says so once, and the next record follows; any other failure ends the reading."""
    answers = iter((OSError(errno.EPIPE, "Broken pipe"), b"3,1,2,-;a", OSError(errno.EIO, "?"), b"never"))

    def read(_file: int, _size: int) -> bytes:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr("cgtune.system.kernellog.os.read", read)
    assert list(log.read()) == ["3,1,2,-;a"]
    assert log.lost == 1
    monkeypatch.undo()
    log.close()


def test_what_is_no_kernel_log_is_refused(tmp_path: Path) -> None:
    """A file of that name below a root, a link, a recording: one line each."""
    device = tmp_path / "dev" / "kmsg"
    device.parent.mkdir()
    device.write_text("3,1,2,-;Memory cgroup out of memory: Killed process 1 (init) total-vm:")
    with pytest.raises(Unreadable, match="is not the kernel's log"):
        KernelLog(str(tmp_path))
    device.unlink()
    device.symlink_to("/dev/kmsg")
    with pytest.raises(Unreadable, match=r"--kernel-log: .*kmsg"):
        KernelLog(str(tmp_path))
    with pytest.raises(UsageError, match="needs a live machine"):
        require_live("/recording", is_live=False)
    require_live("/", is_live=True)


def test_a_machine_has_one_log_wherever_its_files_are_mounted(tmp_path: Path, log: KernelLog) -> None:
    """Below a root without the device our own stands for it."""
    log.close()
    other = KernelLog(str(tmp_path))
    assert os.readlink(f"/proc/self/fd/{other._file}") == "/dev/kmsg"
    other.close()


@pytest.mark.parametrize("root", ["/", "/host"])
def test_a_machine_without_the_device(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    """One line that says where it would have to be."""

    def none(path: str, _flags: int) -> int:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)

    monkeypatch.setattr("cgtune.system.kernellog.os.open", none)
    with pytest.raises(Unreadable, match=f"^--kernel-log: there is no {root.rstrip('/')}/dev/kmsg; mount the machine's own there"):
        KernelLog(root)
