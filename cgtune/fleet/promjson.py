"""Answers of /api/v1/query and /api/v1/label/NAME/values, parsed as they come. Pure: the bytes come from whoever is handed in.

    {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {"pod": "a"}, "value": [1764413123.5, "0.25"]}]},
     "warnings": ["..."], "infos": ["..."]}

Warnings are of what is missing in an answer; a cluster of VictoriaMetrics says it by ``"isPartial": true``. The infos of Prometheus 3 are
about how a question is put, which is ours to know: not read.

A subquery, of use over time or of a pair, is answered by a matrix, whose samples have ``"values": [[1764413123.5, "0.25"], ...]``. Whoever
asks knows which it is; the other one, a scalar and a string are Malformed here. A native histogram has no value: such samples are counted.
"""

from __future__ import annotations

from cgtune.errors import Malformed, TooLarge
from cgtune.fleet.model import Sample
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    Events = Iterator[tuple[str, Any]]
    #: Takes one value's events, from its first to its last.
    Taker = Callable[[Events], None]

    class Readable(Protocol):
        """The next bytes of an answer, empty at the end."""

        def read(self, size: int = -1, /) -> bytes: ...


#: Rows of one answer, and labels or names of one list: more than a cluster has containers.
MOST_ROWS = 200_000
#: Points of one series: more than any question of ours has.
MOST_POINTS = 1000

_PIECE_BYTES = 64 << 10
_MOST_WARNINGS = 20
_LONGEST_SHOWN = 200
_DEEPEST = 16  # a native histogram has 8
_OPENS, _CLOSES = ("start_map", "start_array"), ("end_map", "end_array")


class Vector(Record):
    """The samples of an answer, and what the engine warned of (a partial answer, a store that did not reply)."""

    samples: tuple[Sample, ...] = ()
    warnings: tuple[str, ...] = ()


class Labels:
    """Labels that were seen: samples of one container share them, which is most of the memory of a large answer."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._times: dict[tuple[float, ...], tuple[float, ...]] = {}
        self._sets: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = {}

    def keep(self, labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
        """These labels as sorted pairs, the same objects as before if they were seen."""
        whole = tuple([self._pairs.setdefault(pair, pair) for pair in sorted(labels.items())])
        return self._sets.setdefault(whole, whole)

    def keep_times(self, times: tuple[float, ...]) -> tuple[float, ...]:
        """These times, the same object as before if they were seen: series of one answer share them."""
        return self._times.setdefault(times, times)


def parse_vector(body: Readable, labels: Labels | None = None, *, is_range: bool = False) -> Vector:
    """An instant vector, or a matrix. Raises Malformed (no JSON, cut off, not that, a value that is no number) and TooLarge."""
    samples, wanted = _Samples(labels or Labels(), is_range=is_range), "matrix" if is_range else "vector"
    warnings: list[str] = []
    kinds: list[str] = []
    data: dict[str, Taker] = {"resultType": lambda events: kinds.append(_take_kind(events, wanted)), "result": samples.take}
    partial: list[object] = []
    top: dict[str, Taker] = {
        "data": lambda events: _take_map(events, data),
        "warnings": lambda events: _take_texts(events, warnings, _MOST_WARNINGS),
        "isPartial": lambda events: partial.append(_take_word(events)),
    }
    _read(body, top)
    if True in partial:
        warnings.append("the answer is a part: some of the engine's storage did not reply")
    if not kinds:
        raise Malformed(f"a value of no type instead of a {wanted}")
    if samples.histograms:
        warnings.append(f"{samples.histograms} samples are native histograms, which have no one value")
    return Vector(samples=tuple(samples.found), warnings=tuple(warnings))


def parse_names(body: Readable) -> tuple[str, ...]:
    """The values of a label. Raises Malformed and TooLarge."""
    names: list[str] = []
    _read(body, {"data": lambda events: _take_texts(events, names, MOST_ROWS + 1)})
    if len(names) > MOST_ROWS:
        raise TooLarge(f"more than {MOST_ROWS} values of a label")
    return tuple(names)


class _Samples:
    """The list of a result. One loop for each level of it: 24 answers about 2,000 containers have a million events."""

    def __init__(self, labels: Labels, *, is_range: bool) -> None:
        self._is_range = is_range
        self.found: list[Sample] = []
        self.histograms = 0
        self._labels = labels

    def take(self, events: Events) -> None:
        if next(events)[0] != "start_array":
            raise Malformed("a result that is no list")
        for event, _ in events:
            if event == "end_array":
                return
            if event != "start_map":
                raise Malformed("a sample that is no map")
            self._take_sample(events)
            if len(self.found) > MOST_ROWS:
                raise TooLarge(f"an answer of more than {MOST_ROWS} series")

    def _take_sample(self, events: Events) -> None:
        labels: dict[str, str] | None = None
        point: list[object] | None = None
        points: list[list[object]] = []
        is_histogram = False
        for event, key in events:
            if event == "end_map":
                break
            if key == "metric":
                labels = _take_labels(events)
            elif key == "value":
                point = _take_point(events)
            elif key == "values" and self._is_range:
                points = _take_points(events)
            else:
                is_histogram = is_histogram or key.startswith("histogram")
                _skip(events)
        if labels is None:
            raise Malformed("a sample without labels")
        if point is None and not points and is_histogram:
            self.histograms += 1
        elif self._is_range:
            times = self._labels.keep_times(tuple([_parse_time(each) for each in points]))
            values = tuple([_parse_point(each) for each in points])
            if values:
                self.found.append(Sample(labels=self._labels.keep(labels), value=values[-1], times=times, values=values))
        else:
            self.found.append(Sample(labels=self._labels.keep(labels), value=_parse_point(point)))


def _read(body: Readable, takers: dict[str, Taker]) -> None:
    """An answer that says "success", its parts given to whoever takes them."""
    import ijson

    said = {"status": "", "error": ""}

    def hear(events: Events, key: str) -> None:
        said[key] = str(_take_word(events))

    own: dict[str, Taker] = {"status": lambda events: hear(events, "status"), "error": lambda events: hear(events, "error")}
    try:
        # basic_parse: ijson.parse takes quadratic time in how deep a text is nested; 1 MB of "[" keeps it busy for minutes.
        events = iter(ijson.basic_parse(body, buf_size=_PIECE_BYTES, use_float=True))
        _take_map(events, takers | own)
        for _ in events:  # to the end: what comes behind is no JSON
            pass
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise Malformed(f"no JSON, or cut off: {_shown(str(error).strip().partition(chr(10))[0])}") from error
    if said["status"] != "success":
        raise Malformed(f"its status is '{_shown(said['status'])}'{': ' if said['error'] else ''}{_shown(said['error'])}")


def _shown(text: str) -> str:
    """A server's words in a message: printable, and no more than a line of them."""
    start = text[:_LONGEST_SHOWN]
    start = start if start.isprintable() else repr(start)[1:-1]
    return start if len(text) <= _LONGEST_SHOWN >= len(start) else f"{start[:_LONGEST_SHOWN]}..."


def _take_map(events: Events, takers: dict[str, Taker]) -> None:
    """A map; what nobody takes is skipped. Null is an empty one."""
    opening, _ = next(events)
    if opening == "null":
        return
    if opening != "start_map":
        raise Malformed("a map is missing")
    for event, key in events:
        if event == "end_map":
            return
        takers.get(key, _skip)(events)


def _take_texts(events: Events, into: list[str], most: int) -> None:
    """A list of texts, as many as there is room for. Null is an empty one."""
    opening, _ = next(events)
    if opening == "null":
        return
    if opening != "start_array":
        raise Malformed("a list is missing")
    for event, value in events:
        if event == "end_array":
            return
        if event != "string":
            raise Malformed("a list of something else than texts")
        if len(into) < most:
            into.append(value)


def _take_word(events: Events) -> object:
    """A text, a number, a yes or no."""
    event, value = next(events)
    if event in _OPENS:
        raise Malformed("a map or a list in place of a word")
    found: object = value
    return found


def _take_kind(events: Events, wanted: str) -> str:
    value = _take_word(events)
    if value != wanted:
        raise Malformed(f"a {_shown(str(value))} instead of a {wanted}")
    return str(value)


def _take_labels(events: Events) -> dict[str, str]:
    labels: dict[str, str] = {}
    key = ""
    if next(events)[0] != "start_map":
        raise Malformed("labels that are no map")
    for event, value in events:
        if event == "map_key":
            key = value
        elif event == "string":
            labels[key] = value
        elif event == "end_map":
            break
        else:
            raise Malformed("a label that is no text")
    return labels


def _take_point(events: Events) -> list[object]:
    if next(events)[0] != "start_array":
        raise Malformed("a value that is no list")
    return _take_pair(events)


def _take_pair(events: Events) -> list[object]:
    point: list[object] = []
    for event, value in events:
        if event == "end_array":
            break
        if event in _OPENS or len(point) == 2:
            raise Malformed("a value that is no pair")
        point.append(value)
    return point


def _take_points(events: Events) -> list[list[object]]:
    points: list[list[object]] = []
    if next(events)[0] != "start_array":
        raise Malformed("values that are no list")
    for event, _ in events:
        if event == "end_array":
            break
        if event != "start_array":
            raise Malformed("a value that is no list")
        if len(points) == MOST_POINTS:
            raise TooLarge(f"a series of more than {MOST_POINTS} points")
        points.append(_take_pair(events))
    return points


def _skip(events: Events) -> None:
    """One value of whatever kind."""
    depth = 0
    for event, _ in events:
        depth += (event in _OPENS) - (event in _CLOSES)
        if depth == 0:
            return
        if depth > _DEEPEST:
            raise Malformed(f"maps and lists in one another, more than {_DEEPEST} deep")


def _parse_point(point: list[object] | None) -> float:
    """Of ``[1764413123.5, "0.25"]``; "NaN", "+Inf" and "-Inf" are numbers here."""
    value = point[1] if point is not None and len(point) == 2 else None
    try:
        return float(value)  # type: ignore[arg-type]  # TypeError is what we want of null
    except (TypeError, ValueError):
        raise Malformed(f"a value that is no number: {_shown(str(point))}") from None


def _parse_time(point: list[object]) -> float:
    if not point or not isinstance(point[0], int | float) or not abs(point[0]) < float("inf"):
        raise Malformed(f"a time that is no number: {_shown(str(point))}")
    return float(point[0])
