"""The process that aside.py asks: it reads one file after the other, and may be killed in the midst of any. Nothing imports this module."""

from __future__ import annotations

import errno
import marshal
import os

from cgtune.errors import CgtuneError
from cgtune.system.aside import HEAD_BYTES, REFUSED
from cgtune.system.root import Root
from cgtune.system.source import Files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def answer_requests(root: str) -> None:
    """Read what standard input asks for and answer on standard output, until nobody asks any more. ``root`` is a folder for Root."""
    os.chdir("/")
    # It may outlive who started it: nothing that was inherited (a pipe, a lock) is kept open by it
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:  # the standard streams
            try:
                os.close(int(name))
            except OSError:
                continue  # that of the listing itself
    files = Files(Root(root), root, is_live=True, is_guarded=False)
    answer: tuple[int, Any] = (0, None)
    while True:
        data = marshal.dumps(answer)
        view = memoryview(len(data).to_bytes(HEAD_BYTES, "big") + data)
        try:
            while view:
                view = view[os.write(1, view) :]
        except OSError:
            return
        head = _read_exactly(HEAD_BYTES)
        name, *arguments = marshal.loads(_read_exactly(int.from_bytes(head, "big"))) if head else ("",)  # noqa: S302  # written by our own code
        if not name:
            return
        try:
            answer = (0, getattr(files, name)(*arguments))
        except OSError as error:
            answer = (error.errno or errno.EIO, error.strerror or "")
        except CgtuneError as error:
            answer = (REFUSED, str(error))


def _read_exactly(size: int) -> bytes:
    """So many bytes of what is asked; none at its end."""
    parts = b""
    while len(parts) < size and (part := os.read(0, size - len(parts))):
        parts += part
    return parts if len(parts) == size else b""
