"""The service's log on stderr: one line an event, as JSON for machines or as text for people; trouble once, and once when it is over.

What other libraries log through Python's logging comes out in the same form. Nothing here raises: a log that cannot be written is lost.
"""

from __future__ import annotations

import json
import logging
import sys
import time

from cgtune.outputs.escape import escape_bytes, escape_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_CHARACTERS = 1000  # of one value: commands and paths are somebody else's
#: Of one kind in one scan; a node that starts with hundreds of processes is one line beyond.
MOST_LINES = 100
_LOGGER = "cgtune"


class Journal:
    """Says what happens. One thread at a time may report troubles."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(_LOGGER)
        self._troubles: dict[str, str] = {}

    def say(self, event: str, message: str, fields: Mapping[str, object] | None = None, *, level: int = logging.INFO) -> None:
        """One line. ``event`` is a short name that stays the same, ``fields`` go beside it."""
        self._logger.log(level, "%s", message, extra={"event": event, "fields": fields or {}})

    def report_troubles(self, troubles: Mapping[str, str]) -> None:
        """What is wrong now, by a name that stays the same; whatever was told before is not told again, what is gone is over."""
        begun = [name for name in troubles if name not in self._troubles]
        over = [name for name in self._troubles if name not in troubles]
        for name in begun[:MOST_LINES]:
            self.say("trouble", f"{name}: {troubles[name]}", {"about": name}, level=logging.WARNING)
        for name in over[:MOST_LINES]:
            self.say("over", f"{name}: is over", {"about": name})
        if more := len(begun[MOST_LINES:]) + len(over[MOST_LINES:]):
            self.say("more", f"and {more} more troubles that began or are over", {"troubles": len(begun) + len(over)})
        self._troubles = dict(troubles)


def start_journal(format_: str) -> Journal:
    """Send all logging to stderr, as "json" or "text"."""
    logging.raiseExceptions = False  # a reader that went away must not fill stderr with tracebacks about itself
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if format_ == "json" else _TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_LOGGER).setLevel(logging.INFO)
    # It warns of every burst of requests and of every full house, each time anew
    logging.getLogger("waitress").setLevel(logging.ERROR)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return Journal()


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_content(record), ensure_ascii=True, default=str)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        content = _content(record)
        return f"{content['time']} {content['level']:8} {escape_control(str(content['message']))}"


def _content(record: logging.LogRecord) -> dict[str, object]:
    """What one line says, in the order in which it is written."""
    message = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:  # a library's fault: its last line, the place is in the message
        message = f"{message}: {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
    content: dict[str, object] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
        "level": record.levelname.lower(),
        "event": getattr(record, "event", record.name),
        "message": escape_bytes(message[:_MOST_CHARACTERS]),
    }
    for name, value in getattr(record, "fields", {}).items():
        content[name] = escape_bytes(value[:_MOST_CHARACTERS]) if isinstance(value, str) else value
    return content
