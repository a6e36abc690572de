"""What a platform says of a task over HTTP, on an address of the machine's own: no redirect, no proxy, little time, little text."""

from __future__ import annotations

from cgtune.errors import CgtuneError, Unanswered, Unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Sequence

_WHOLE_SECONDS = 1.0  # for all pages: it answers from memory, on the same machine
_CAP_BYTES = 1 << 20  # a task has ten containers; each takes 2 KB

#: What is kept of a page: the limits, and which task it is.
_KEPT = ("TaskARN", "Limits", "LaunchType")


def read_pages(urls: Sequence[str]) -> tuple[str, ...]:
    """The pages at these http URLs, all of one server, as text. Raises Unreadable with the URL (another answer, too large), or Unanswered
    (no answer, too slow).

    The URLs must be checked already: the server is asked whatever it is.
    """
    import threading
    from contextlib import suppress

    answers: list[tuple[str, ...] | CgtuneError] = []
    sockets: list[socket.socket] = []
    late = threading.Event()
    worker = threading.Thread(target=lambda: answers.append(_fetch(urls, sockets, late)), daemon=True)
    worker.start()
    worker.join(_WHOLE_SECONDS)
    if not answers:
        late.set()
        for each in tuple(sockets):
            with suppress(OSError):
                each.shutdown(2)  # SHUT_RDWR: the thread ends, however long the server would go on
        raise Unanswered(f"{urls[0]}: no whole answer within {_WHOLE_SECONDS:g} s")
    if isinstance(answers[0], CgtuneError):
        raise answers[0]
    return answers[0]


def _fetch(urls: Sequence[str], sockets: list[socket.socket], late: threading.Event) -> tuple[str, ...] | CgtuneError:
    """What read_pages gives or raises. Each connection is put into ``sockets`` before ``late`` is looked at: one of both sides ends it."""
    import http.client

    pages: list[str] = []
    place = urls[0].split("/")[2]
    connection = http.client.HTTPConnection(place, timeout=_WHOLE_SECONDS)
    at = urls[0]
    try:
        for at in urls:
            if not connection.sock:
                connection.connect()
                sockets.append(connection.sock)
            if late.is_set():
                break
            connection.request("GET", "/" + at.split("/", 3)[3], headers={"Accept": "application/json"})
            answer = connection.getresponse()
            content = answer.read(_CAP_BYTES + 1)
            if answer.status != http.client.OK:
                return Unreadable(f"{at}: it answers {answer.status}")
            if len(content) > _CAP_BYTES or answer.length:
                return Unreadable(f"{at}: more than {_CAP_BYTES} bytes, or not all of them")
            pages.append(content.decode("utf-8", "replace"))
    except (OSError, ValueError, http.client.HTTPException) as error:
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
        return Unanswered(f"{at}: {said}")
    finally:
        connection.close()
    return tuple(pages)


def redact_metadata(page: str) -> str:
    """Of such a page what a report needs, as JSON: names of images, addresses and labels are nobody's. Empty if it is no JSON object."""
    import json

    try:
        found = json.loads(page)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    kept = {name: found[name] for name in _KEPT if name in found}
    limits = kept.get("Limits")
    if isinstance(limits, dict):
        kept["Limits"] = {name: limits[name] for name in ("CPU", "Memory") if name in limits}
    return json.dumps(kept, sort_keys=True) + "\n"
