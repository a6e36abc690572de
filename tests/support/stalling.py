"""A FUSE file system with one file, ``f``, that stops to answer when it is told to, as a dead network mount does.

The server is a process of its own (this module run as a program): if it ends, the kernel answers all that waits, so that no test leaves a
process behind that cannot be killed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.needs import require

_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _STATFS, _RELEASE, _FLUSH, _INIT, _INTERRUPT = 1, 2, 3, 14, 15, 17, 18, 25, 26, 36
_BATCH_FORGET = 42
_NAMES = {"lookup": _LOOKUP, "getattr": _GETATTR, "open": _OPEN, "read": _READ}
_ROOT, _FILE = 1, 2  # the inodes
_HEAD = struct.Struct("=IIQQIIII")  # struct fuse_in_header of include/uapi/linux/fuse.h
_ATTR = struct.Struct("=QQQQQQIIIIIIIIII")
_MOUNT_DETACH = 2


class Stalling:
    """The mounted file system."""

    def __init__(self, folder: Path, server: subprocess.Popen[bytes]) -> None:
        self.folder, self.program, self._server = folder, folder / "f", server

    def stall(self, *operations: str) -> None:
        """Answer none of these from now on: lookup, getattr, open, read. What the kernel keeps of the file is dropped."""
        self._tell("stall " + " ".join(operations))

    def answer(self) -> None:
        """Answer again, those that wait too."""
        self._tell("answer")

    def _tell(self, words: str) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(words.encode() + b"\n")
        self._server.stdin.flush()
        assert self._server.stdout.readline() == b"done\n"


@contextmanager
def stalling(content: Path, folder: Path) -> Iterator[Stalling]:
    """Mount it on ``folder`` with the file's content as ``f``; whoever runs it in the block is killed before the end."""
    require(os.geteuid() == 0 and os.access("/dev/fuse", os.R_OK | os.W_OK), "needs root and /dev/fuse")
    folder.mkdir()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.stalling", str(content), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        mounted = server.stdout.readline()
        require(mounted == b"mounted\n", "FUSE cannot be mounted here")
        yield Stalling(folder, server)
    finally:
        server.stdin.close()  # it ends, and what waits for it is answered
        server.wait()
        server.stdout.close()


class _Server:
    """Answers the kernel's requests, or keeps them."""

    def __init__(self, content: Path, device: int) -> None:
        self._content, self._device = content.read_bytes(), device
        self._stalled: set[int] = set()
        self._kept: list[bytes] = []

    def command(self, line: str) -> None:
        """What the test says."""
        word, *operations = line.split()
        if word == "stall":
            dropping = threading.Thread(target=self._drop)
            dropping.start()
            while dropping.is_alive():  # it waits for a page that somebody reads right now, and who reads it waits for us
                self.take_next(0.001)
        self._stalled = {_NAMES[name] for name in operations}
        kept, self._kept = self._kept, []
        for request in kept:
            self.take(request)

    def _drop(self) -> None:
        note = struct.pack("=Qqq", _FILE, 0, -1)  # FUSE_NOTIFY_INVAL_INODE
        with suppress(FileNotFoundError):  # the kernel keeps nothing of it
            os.write(self._device, struct.pack("=IiQ", 16 + len(note), 2, 0) + note)

    def take_next(self, seconds: float) -> None:
        """The next request, if there is one in this time. Raises OSError if there will be none any more."""
        if select.select([self._device], [], [], seconds)[0]:
            try:
                self.take(os.read(self._device, 1 << 18))
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EINTR):  # the request was withdrawn
                    raise

    def take(self, request: bytes) -> None:
        """One request."""
        _, operation, unique, node, *_ = _HEAD.unpack_from(request)
        if operation in self._stalled:
            self._kept.append(request)
        elif operation not in (_FORGET, _BATCH_FORGET, _INTERRUPT):
            answer = self._answer(operation, node, request[_HEAD.size :])
            error, data = (-answer, b"") if isinstance(answer, int) else (0, answer)
            os.write(self._device, struct.pack("=IiQ", 16 + len(data), error, unique) + data)

    def _answer(self, operation: int, node: int, body: bytes) -> bytes | int:
        if operation == _INIT:
            major, minor, readahead, _flags = struct.unpack_from("=IIII", body)
            # No flag: FUSE_ASYNC_READ would let a signal end whoever waits for a page
            return struct.pack("=IIIIHHI", major, min(minor, 31), readahead, 0, 16, 12, 1 << 17).ljust(64, b"\0")
        if operation == _LOOKUP:
            if body.rstrip(b"\0") != b"f":
                return errno.ENOENT
            return struct.pack("=QQQQII", _FILE, 0, 0, 0, 0, 0) + self._attributes(_FILE)
        if operation == _GETATTR:
            return struct.pack("=QII", 0, 0, 0) + self._attributes(node)
        if operation == _OPEN:
            return struct.pack("=QII", 1, 0, 0)
        if operation == _READ:
            _, offset, size = struct.unpack_from("=QQI", body)
            return self._content[offset : offset + size]
        if operation in (_RELEASE, _FLUSH):
            return b""
        return errno.ENOSYS

    def _attributes(self, node: int) -> bytes:
        size, mode = (len(self._content), stat.S_IFREG | 0o755) if node == _FILE else (0, stat.S_IFDIR | 0o755)
        return _ATTR.pack(node, size, size // 512, 1, 1, 1, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def _main(content: Path, folder: Path) -> None:
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    mount = ctypes.CDLL(None, use_errno=True).mount
    if mount(b"stalling", os.fsencode(folder), b"fuse.stalling", 6, options.encode()) != 0:  # nosuid, nodev
        sys.exit(os.strerror(ctypes.get_errno()))
    server = _Server(content, device)
    try:
        print("mounted", flush=True)
        _serve(server, device)
    finally:
        os.close(device)  # whatever waits is answered
        ctypes.CDLL(None).umount2(os.fsencode(folder), _MOUNT_DETACH)


def _serve(server: _Server, device: int) -> None:
    """Until whoever commands it closes the pipe, or is gone."""
    while True:
        ready, _, _ = select.select([device, 0], [], [])
        if device in ready:
            try:
                server.take_next(0)
            except OSError:
                return
        if 0 in ready:
            line = sys.stdin.readline()
            if not line:
                return
            server.command(line)
            print("done", flush=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
