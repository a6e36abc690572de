"""Asks a server the questions of a fleet, and in parts, by namespace, if it refuses one as too large. Pure: the client is handed in."""

from __future__ import annotations

from cgtune.errors import Refused, TooLarge, Unanswered
from cgtune.fleet.model import Answer, Query
from cgtune.fleet.pairs import is_pair, is_told, split
from cgtune.fleet.promjson import Labels, Vector, parse_names, parse_vector
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol

    from cgtune.fleet.model import Sample

    class Identity(Protocol):
        """What answers: its name, and by how much its clock is before ours."""

        @property
        def name(self) -> str: ...
        @property
        def skew_seconds(self) -> float | None: ...

    class Asker(Protocol):
        """A server that can be asked: cgtune.system.promclient.Client, or what stands in for it."""

        requests: int

        def identify(self) -> Identity: ...
        def each(
            self, function: Callable[[Any], Any], items: Sequence[Any], tell: Callable[[int, int], None] | None = None
        ) -> list[Any]: ...
        def post(self, path: str, form: Mapping[str, str], parse: Callable[[Any], Any]) -> Any: ...
        def fetch(self, path: str, fields: Mapping[str, str], parse: Callable[[Any], Any]) -> Any: ...

    #: The same question about these namespaces alone ("" is for series without one); None: it cannot be put so.
    Within = Callable[[Query, tuple[str, ...]], Query | None]


#: Requests that one question may take, so that a server that refuses everything is not asked for ever.
MOST_PARTS = 128

_NAMED = 5  # namespaces in a sentence
_SKEW_TOLD_SECONDS = 5.0
_LABEL = "namespace"

# Of no question, but of us or of the address: the rest would fare no better.
_HOPELESS = (301, 302, 303, 307, 308, 401, 403, 404, 405, 407)
# A proxy's body limit; an engine that ended, was killed or took too long behind it.
_LARGE_STATUS = (413, 502, 503, 504)
# Whole phrases: a message quotes the question, which has words as memory and limits in it.
_LARGE_PHRASES = (
    *("too many samples", "11,000 points", "maximum resolution", "timed out"),  # Prometheus
    *("search.max", "not enough memory", "timeout exceeded", "too many points"),  # VictoriaMetrics
    *("series limit", "chunks limit", "samples limit", "limit exceeded", "resourceexhausted", "deadline exceeded"),  # Thanos
    *("err-mimir-max", "exceeded the maximum", "too large"),  # Mimir
)
_HOPE_PARTS = 16  # if no part was answered by then, no smaller one is asked for


class Replies(Record):
    """All answers, in the order of their questions. ``time`` is the server's when we began, in seconds since 1970: all were asked as of it.

    ``requests`` counts what was sent. ``warnings`` are those of the whole: a clock that is wrong.
    """

    engine: str
    time: float
    answers: tuple[Answer, ...]
    requests: int
    warnings: tuple[str, ...] = ()


def ask(
    client: Asker,
    queries: Sequence[Query],
    *,
    now: float,
    within: Within | None = None,
    namespaces: tuple[str, ...] = (),
    after: Replies | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Replies:
    """The answers to these questions, as of the server's present. ``now`` is our own clock. ``tell`` hears how many are done, of how many.

    ``within`` puts a question for a part of the namespaces; ``namespaces`` are those that the questions are about, (): all there are.
    ``after``: what was heard before, as of whose time these are asked too; the engine is not asked again what it is.
    A paired question has two answers, one for each figure; an engine that does not take it is asked for each by itself.
    A refusal of one question is its answer's ``error``; Unanswered is raised if the others would fare no better.
    """
    before = _greet(client, now) if after is None else after
    inquiry = _Inquiry(client, before.time, within, namespaces)
    answers = client.each(inquiry.answer, queries, tell)
    return before.replace(answers=tuple(answer for each in answers for answer in each), requests=client.requests)


def _greet(client: Asker, now: float) -> Replies:
    """What the server is and which time it has, before any question."""
    (engine,) = client.each(lambda _: client.identify(), [None])
    skew = engine.skew_seconds or 0.0
    warnings = []
    if abs(skew) > _SKEW_TOLD_SECONDS:
        order = "ahead of" if skew > 0 else "behind"
        warnings.append(f"the server's clock is {abs(skew):g} s {order} ours; it was asked as of its own time")
    return Replies(engine=engine.name, time=now + skew, answers=(), requests=client.requests, warnings=tuple(warnings))


class _Inquiry:
    """What all questions of one run share: the time, the labels that were seen, and the namespaces, which are asked for if need be."""

    def __init__(self, client: Asker, time: float, within: Within | None, namespaces: tuple[str, ...]) -> None:
        self._client = client
        self._time = f"{time:.3f}"
        self._within = within
        self._labels = Labels()
        self._namespaces = namespaces or None
        self._is_pairing = False  # whether some answer has shown that the engine takes two quantiles for two

    def answer(self, query: Query) -> tuple[Answer, ...]:
        """The whole in one request, else its parts, each half as large as what was refused. Of a pair two answers."""
        try:
            vectors = self._ask(query)
        except (Refused, TooLarge) as refusal:
            if self._within is not None and is_too_large(refusal):
                return self._answer_in_parts(query, refusal)
            if query.apart:
                return self._answer_apart(query)
            return (Answer(query=query, error=str(refusal)),)
        if query.apart and not self._takes_pairs(*(vector.samples for vector in vectors)):
            return self._answer_apart(query)
        named = zip(query.apart or (query,), vectors, strict=True)
        return tuple(Answer(query=each, samples=vector.samples, warnings=vector.warnings) for each, vector in named)

    def _takes_pairs(self, first: tuple[Sample, ...], second: tuple[Sample, ...]) -> bool:
        """Restarts may well have one figure in all rows: what another question has shown of the engine holds for these too."""
        if is_pair(first, second):
            self._is_pairing = self._is_pairing or is_told(second)
            return True
        return self._is_pairing

    def _answer_apart(self, query: Query) -> tuple[Answer, ...]:
        return tuple(answer for each in query.apart for answer in self.answer(each))

    def _answer_in_parts(self, query: Query, refusal: Unanswered) -> tuple[Answer, ...]:
        namespaces = self._find_namespaces()
        named = query.apart or (query,)
        parts = 1
        waiting = _halve(namespaces)
        found: list[dict[tuple[tuple[str, str], ...], Sample]] = [{} for _ in named]
        warnings: dict[str, None] = {}
        refused: list[str] = []
        answered = 0
        while waiting:
            some = waiting.pop(0)
            part = self._within(query, some) if self._within is not None else None
            if part is None or parts >= (MOST_PARTS if answered else _HOPE_PARTS):
                refused += some
                continue
            parts += 1
            try:
                vectors = self._ask(part)
            except (Refused, TooLarge) as again:
                refusal = again
                if len(some) > 1 and is_too_large(again):
                    waiting[:0] = _halve(some)
                else:
                    refused += some
                continue
            answered += 1
            for samples, vector in zip(found, vectors, strict=True):
                fresh = {sample.labels: sample for sample in vector.samples}
                if samples.keys() & fresh.keys():
                    overlap = f"{refusal}; and its parts by namespace overlap, so that they cannot be joined"
                    return tuple(Answer(query=each, parts=parts, error=overlap) for each in named)
                samples.update(fresh)
                warnings |= dict.fromkeys(vector.warnings)
        error = None
        if refused or not namespaces:  # none: the server does not say which there are
            names = ", ".join(name or "(none)" for name in refused[:_NAMED]) + (", ..." if len(refused) > _NAMED else "")
            error = f"{refusal}; {len(refused)} of {len(namespaces)} namespaces were refused by themselves too: {names}"
        elif query.apart and not self._takes_pairs(*(tuple(samples.values()) for samples in found)):
            return self._answer_apart(query)
        return tuple(
            Answer(query=each, samples=tuple(samples.values()), warnings=tuple(warnings), error=error, parts=parts)
            for each, samples in zip(named, found, strict=True)
        )

    def _ask(self, query: Query) -> tuple[Vector, ...]:
        """One vector, or those of a pair."""
        try:
            vector: Vector = self._client.post(
                "/api/v1/query",
                {"query": query.promql, "time": self._time},
                lambda body: parse_vector(body, self._labels, is_range=query.is_range),
            )
        except Refused as refusal:
            if refusal.status in _HOPELESS or not (refusal.kind or is_too_large(refusal)):  # no word of an engine's
                raise Unanswered(str(refusal)) from refusal
            raise
        return tuple(vector.replace(samples=samples) for samples in split(vector.samples)) if query.apart else (vector,)

    def _find_namespaces(self) -> tuple[str, ...]:
        """Those that were named, else all that the server knows of, and "" for series without one; (): it does not say. Asked once."""
        if self._namespaces is None:
            try:
                self._namespaces = ("", *self._client.fetch(f"/api/v1/label/{_LABEL}/values", {}, parse_names))
            except Unanswered:
                self._namespaces = ()
        return self._namespaces


def is_too_large(refusal: Unanswered) -> bool:
    """Whether a smaller question may be answered: too many samples or points, too long, too much memory."""
    if not isinstance(refusal, Refused):
        return isinstance(refusal, TooLarge)
    if refusal.status in _LARGE_STATUS or refusal.kind == "timeout":
        return True
    said = refusal.said.lower()
    return refusal.status in (400, 422, 500) and any(phrase in said for phrase in _LARGE_PHRASES)


def _halve(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    middle = (len(names) + 1) // 2
    return [half for half in (names[:middle], names[middle:]) if half]
