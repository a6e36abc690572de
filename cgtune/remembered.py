"""The OOM kills that a service remembers, put to the processes that they are about; and read from what a service answers. Pure.

What is read here comes from outside: any text gives kills or Malformed, in bounded time.
"""

from __future__ import annotations

from cgtune.cgroups.owners import owners_of
from cgtune.errors import Malformed
from cgtune.model import KILLS_SCHEMA, Kill, Kills, Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cgtune.model import OwnerKind, Report

#: A kill is told of its successor for a day: what was last week is no news, and may have been mended since.
RECENT_SECONDS = 86_400.0

_OWNER_KINDS: tuple[OwnerKind, ...] = ("container", "pod", "workload")
_MOST_ENTRIES = 10_000
_MOST_CHARACTERS = 256
_LONGEST_LINE = 8192  # of a page of metrics: five labels of 256 characters, each of them escaped
_MOST_COUNT = 1 << 63

#: The label that names each kind of owner.
_NAME_LABELS: dict[OwnerKind, str] = {"container": "container_id", "pod": "uid", "workload": "workload"}


def with_kills(report: Report, kills: Iterable[Kills] | None, now_seconds: float) -> Report:
    """The report whose processes have the kills of their owners beside them, those of the last day; ``now_seconds`` is since the epoch.

    ``kills`` None: nobody was asked.
    """
    if kills is None:
        return report
    aged = (each.replace(ago_seconds=max(0.0, now_seconds - each.last_seconds)) for each in kills)
    recent = {each.owner.key: each for each in aged if (each.ago_seconds or 0.0) <= RECENT_SECONDS}
    return report.replace(
        processes=tuple(
            process.replace(remembered=tuple(recent[owner.key] for owner in owners_of(process.snapshot) if owner.key in recent))
            for process in report.processes
        )
    )


def parse_kills(text: str) -> tuple[Kills, ...]:
    """What /kills of a service answers (docs/serve.md). Raises Malformed."""
    import json

    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("it is no JSON") from error
    if not isinstance(content, dict) or content.get("schema") != KILLS_SCHEMA or not isinstance(content.get("kills"), list):
        raise Malformed(f"it is not of the schema {KILLS_SCHEMA}")
    try:
        return tuple(_parse_entry(entry) for entry in content["kills"][:_MOST_ENTRIES])
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed("one of its kills has not the shape that they have") from error


def _parse_entry(entry: Any) -> Kills:
    owner, last = entry["owner"], entry["last"]
    if owner["of"] not in _OWNER_KINDS:
        raise ValueError(owner["of"])
    texts = {key: _name(owner[key]) for key in ("runtime", "uid", "namespace", "pod", "container")}
    return Kills(
        owner=Owner(of=owner["of"], name=_name(owner["name"]) or "", **texts),
        oom_kills=_count(entry["oom_kills"]) or 0,
        processes=_count(entry["processes"]) or 0,
        last_seconds=_seconds(entry["last_seconds"]) or 0.0,
        last=None if last is None else _parse_kill(last),
    )


def _parse_kill(last: Any) -> Kill:
    gomemlimit = last["gomemlimit"]
    return Kill(
        time_seconds=_seconds(last["time_seconds"]) or 0.0,
        pid=_count(last["pid"]) or 0,
        command=_name(last["command"]) or "",
        certainty="certain" if last["certainty"] == "certain" else "likely",
        limit_bytes=_count(last["limit_bytes"]),
        current_bytes=_count(last["current_bytes"]),
        gomemlimit="off" if gomemlimit == "off" else _count(gomemlimit),
        heap_live_bytes=_count(last["heap_live_bytes"]),
        uptime_seconds=_seconds(last["uptime_seconds"]),
    )


def _name(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(value)
    return None if value is None else value[:_MOST_CHARACTERS]


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or not 0 <= value < _MOST_COUNT:
        raise ValueError(value)
    return int(value)


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or not 0 <= value < _MOST_COUNT:  # no number is a NaN's equal
        raise ValueError(value)
    return float(value)


def parse_kill_metrics(text: str) -> tuple[Kills, ...]:
    """The same from a page of metrics or a file for the node exporter: counts and times alone. Raises Malformed for any other text."""
    found: dict[tuple[str, str, str | None], Kills] = {}
    if "cgtune_build_info" not in text:
        raise Malformed("it holds no metrics of cgtune serve")
    for line in text.split("\n"):
        for of in _OWNER_KINDS:
            counts, times = f"cgtune_{of}_oom_kills_total{{", f"cgtune_{of}_last_oom_kill_timestamp_seconds{{"
            if len(found) < _MOST_ENTRIES and line.startswith((counts, times)):
                name, _, rest = line.partition("{")
                labels, value = _parse_sample(rest)
                owner = _owner(of, labels)
                kept = found.get(owner.key) or Kills(owner=owner, oom_kills=0, processes=0, last_seconds=0.0)
                found[owner.key] = kept.replace(oom_kills=int(value)) if name.endswith("_total") else kept.replace(last_seconds=value)
    return tuple(kills for kills in found.values() if kills.oom_kills)


def _owner(of: OwnerKind, labels: dict[str, str]) -> Owner:
    runtime, found, id_ = labels.get(_NAME_LABELS[of], "").rpartition("://")
    return Owner(
        of=of,
        name=id_,
        runtime=runtime if found else None,
        uid=(labels.get("uid") or None) if of == "container" else None,
        namespace=labels.get("namespace") or None,
        pod=labels.get("pod") or None,
        container=labels.get("container") or None,
    )


def _parse_sample(text: str) -> tuple[dict[str, str], float]:
    """Returns (labels, value) of what follows the brace: `pod="web",uid="1"} 2.0`. Raises Malformed."""
    labels: dict[str, str] = {}
    if len(text) > _LONGEST_LINE:
        raise Malformed("a line of its metrics is too long")
    while not text.startswith("}"):
        name, quote, text = text.lstrip(",").partition('="')
        value: list[str] = []
        while quote and text and text[0] != '"':
            taken = 2 if text[0] == "\\" else 1
            value.append({"\\n": "\n"}.get(text[:2], text[1:2]) if taken == 2 else text[0])
            text = text[taken:]
        if not quote or not text:
            raise Malformed("a label of its metrics has no end")
        labels[name[:_MOST_CHARACTERS]] = "".join(value)[:_MOST_CHARACTERS]
        text = text[1:]
    try:
        number = float(text[1:].split()[0])
    except (ValueError, IndexError) as error:
        raise Malformed("a sample of its metrics has no value") from error
    if not 0 <= number < _MOST_COUNT:
        raise Malformed("a value of its metrics is out of all bounds")
    return labels, number
