"""Of /proc/PID/environ the variables that somebody asks for: no other is looked at, and nobody's secrets are kept."""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.model import PLATFORM_VARIABLES

#: What Go's runtime reads, and what tells a platform.
_HEADS = (*(b"GOMAXPROCS=", b"GOMEMLIMIT=", b"GOGC=", b"GODEBUG=", b"KUBERNETES_SERVICE_HOST="), *map(str.encode, PLATFORM_VARIABLES))
_MOST_VALUE_BYTES = 4096  # of a variable: the longest GODEBUG with all of Go's settings has 2,000
_MOST_ENTRIES = 16  # of one head; of one name Go takes the first


def select_environ(content: bytes) -> bytes:
    """Of an environment the entries that are asked for, in their order; raises Malformed for one that is longer than any that is meant.

    A process may have a million others, and write over them what it likes.
    """
    text, found = b"\0" + content + b"\0", dict[int, bytes]()
    for head in _HEADS:
        begin, at = b"\0" + head, -1
        if begin not in text:
            continue
        for _entry in range(_MOST_ENTRIES):
            if (at := text.find(begin, at + 1)) < 0:
                break
            entry = text[at + 1 : text.index(b"\0", at + 1)]
            if len(entry) > len(head) + _MOST_VALUE_BYTES:
                name = head.decode().rstrip("=")
                raise Malformed(f"{name} has {len(entry) - len(head)} bytes, and no value of it is longer than {_MOST_VALUE_BYTES}")
            found[at] = entry
    return b"\0".join(entry for _, entry in sorted(found.items()))
