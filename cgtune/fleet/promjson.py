"""Answers of /api/v1/query and /api/v1/label/NAME/values, parsed as they come. Pure: the bytes come from whoever is handed in.

    {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {"pod": "a"}, "value": [1764413123.5, "0.25"]}]},
     "warnings": ["..."], "infos": ["..."]}

Warnings are of what is missing in an answer. The infos of Prometheus 3 are about how a question is put, which is ours to know: not read.
Of a matrix, a scalar and a string we ask nothing, so they are Malformed here. A native histogram has no value: such samples are counted.
"""

from __future__ import annotations

from cgtune.errors import Malformed, TooLarge
from cgtune.fleet.model import Sample
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    class Readable(Protocol):
        """The next bytes of an answer, empty at the end."""

        def read(self, size: int = -1, /) -> bytes: ...


#: Rows of one answer, and labels or names of one list: more than a cluster has containers.
MOST_ROWS = 200_000

_PIECE_BYTES = 64 << 10
_MOST_WARNINGS = 20
_DEEPEST = 16  # a native histogram has 8
_ITEM = "data.result.item"
_METRIC, _LABEL, _POINT, _HISTOGRAM = f"{_ITEM}.metric", f"{_ITEM}.metric.", f"{_ITEM}.value.item", f"{_ITEM}.histogram"


class Vector(Record):
    """The samples of an answer, and what the engine warned of (a partial answer, a store that did not reply)."""

    samples: tuple[Sample, ...] = ()
    warnings: tuple[str, ...] = ()


class Labels:
    """Labels that were seen: samples of one container share them, which is most of the memory of a large answer."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._sets: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = {}

    def keep(self, labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
        """These labels as sorted pairs, the same objects as before if they were seen."""
        whole = tuple([self._pairs.setdefault(pair, pair) for pair in sorted(labels.items())])
        return self._sets.setdefault(whole, whole)


def parse_vector(body: Readable, labels: Labels | None = None) -> Vector:
    """An instant vector. Raises Malformed (no JSON, cut off, not a vector, a value that is no number) and TooLarge."""
    items = _Items(labels or Labels())
    warnings: list[str] = []
    words: dict[str, str] = {}
    for path, event, value in _walk(body):
        if path.startswith(_ITEM):
            items.see(path, event, value)
        elif path == "warnings.item":
            if len(warnings) < _MOST_WARNINGS:
                warnings.append(str(value))
        elif path in ("status", "data.resultType", "error"):
            words[path] = str(value)
    _judge_status(words.get("status"), words.get("error"))
    kind = words.get("data.resultType", "value of no type")
    if kind != "vector":
        raise Malformed(f"a {kind} instead of a vector")
    if items.histograms:
        warnings.append(f"{items.histograms} samples are native histograms, which have no one value")
    return Vector(samples=tuple(items.samples), warnings=tuple(warnings))


class _Items:
    """The samples of a result, each made as soon as its last part has come."""

    def __init__(self, labels: Labels) -> None:
        self.samples: list[Sample] = []
        self.histograms = 0
        self._labels = labels
        self._metric: dict[str, str] | None = None
        self._label = ""
        self._point: list[object] = []
        self._is_histogram = False

    def see(self, path: str, event: str, value: Any) -> None:
        if path == _METRIC:
            if event == "map_key":
                self._label = value
            elif event == "start_map":
                self._metric = {}
        elif event == "string" and path.startswith(_LABEL):
            if self._metric is not None:
                self._metric[self._label] = value
        elif path == _POINT:
            self._point.append(value)
        elif path == _ITEM and event == "start_map":
            self._metric, self._point, self._is_histogram = None, [], False
        elif path == _ITEM and event == "end_map":
            self._finish()
        elif path == _HISTOGRAM:
            self._is_histogram = True

    def _finish(self) -> None:
        if self._metric is None:
            raise Malformed("a sample without labels")
        if self._is_histogram and not self._point:
            self.histograms += 1
            return
        self.samples.append(Sample(labels=self._labels.keep(self._metric), value=_parse_point(self._point)))
        if len(self.samples) > MOST_ROWS:
            raise TooLarge(f"an answer of more than {MOST_ROWS} series")


def parse_names(body: Readable) -> tuple[str, ...]:
    """The values of a label. Raises Malformed and TooLarge."""
    names: list[str] = []
    words: dict[str, str] = {}
    for path, _, value in _walk(body):
        if path == "data.item":
            names.append(str(value))
            if len(names) > MOST_ROWS:
                raise TooLarge(f"more than {MOST_ROWS} values of a label")
        elif path in ("status", "error"):
            words[path] = str(value)
    _judge_status(words.get("status"), words.get("error"))
    return tuple(names)


def _walk(body: Readable) -> Iterator[tuple[str, str, Any]]:
    """Path, event and value of each part of a JSON text, while it comes."""
    import ijson

    # Our own paths: ijson.parse takes quadratic time in how deep a text is nested; 1 MB of "[" keeps it busy for minutes.
    path, around = "", [""]  # of the value that comes next, and of the maps and lists that it lies in
    try:
        for event, value in ijson.basic_parse(body, buf_size=_PIECE_BYTES, use_float=True):
            if event == "map_key":
                yield around[-1], event, value
                path = f"{around[-1]}.{value}" if around[-1] else value
            elif event in ("end_map", "end_array"):
                path = around.pop()
                yield path, event, value
            else:
                yield path, event, value
            if event in ("start_map", "start_array"):
                around.append(path)
                path = f"{path}.item" if event == "start_array" else path
            if len(around) > _DEEPEST:
                raise Malformed(f"maps and lists in one another, more than {_DEEPEST} deep")
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise Malformed(f"no JSON, or cut off: {str(error).strip().partition(chr(10))[0]}") from error


def _judge_status(status: str | None, error: str | None) -> None:
    if status != "success":
        raise Malformed(f"its status is {status!r}{f': {error}' if error else ''}")


def _parse_point(point: list[object]) -> float:
    """Of ``[1764413123.5, "0.25"]``; "NaN", "+Inf" and "-Inf" are numbers here."""
    value = point[1] if len(point) == 2 else None
    try:
        return float(value)  # type: ignore[arg-type]  # TypeError is what we want of a map
    except (TypeError, ValueError):
        raise Malformed(f"a value that is no number: {str(point)[:80]}") from None
