"""What a report of a fleet is of, and how that is written in PromQL: selectors, the steps of a history. Pure."""

from __future__ import annotations

from cgtune.errors import UsageError
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DAY_SECONDS = 86400
_MOST_POINTS = 2016  # of one series: 7 days in steps of 5 minutes
_LEAST_STEP_SECONDS = 300  # rate() needs two samples, and scrapes are 60 s apart or less
_QUANTILE_POINTS = 336
#: Points of a plot: both ends of the window are points, as far as an engine has them.
MOST_DRAWN = 60
_OTHERS = ("kube_", "cgtune_cpu", "cgtune_go", "cgtune_memory", "cgtune_workload", "cgtune_cgroup")  # series that tell of other pods
_STATE_SECONDS = 3600  # what changes seldom is looked at once an hour


class Asked(Record):
    """What a report is of. ``selector`` holds further matchers that all series must meet, as PromQL: ``cluster="eu1"``; empty: none.

    ``over_time``: use is asked for as it was over time, too.
    """

    window_seconds: int
    namespaces: tuple[str, ...] = ()
    selector: str = ""
    over_time: bool = False


class Steps(Record):
    """How far apart the points of a history are, in seconds: for peaks, for quantiles, of what changes seldom, and of what is drawn."""

    peak: int
    quantile: int
    state: int
    drawn: int


def steps_of(window_seconds: int) -> Steps:
    """The steps for a window: whole minutes, so that a step means the same to all engines."""
    peak = max(_LEAST_STEP_SECONDS, _whole_minutes(window_seconds / _MOST_POINTS))
    quantile = peak * max(1, round(window_seconds / peak / _QUANTILE_POINTS))
    # A step that goes into an hour or a day meets what a timetable starts each time, or never: half an hour is 31 minutes here
    quantile += 60 if quantile > peak else 0
    state = max(quantile, min(_STATE_SECONDS, _whole_minutes(window_seconds / 24)))
    return Steps(peak=peak, quantile=quantile, state=state, drawn=max(peak, _whole_minutes(window_seconds / (MOST_DRAWN - 1))))


def _whole_minutes(seconds: float) -> int:
    return -int(-seconds // 60) * 60


def parse_selector(text: str) -> str:
    """Matchers as PromQL has them between braces, which may be there: ``{cluster="eu1",team=~"a|b"}``, without the braces."""
    import re

    inner = text.strip()
    inner = inner[1:-1].strip() if inner.startswith("{") and inner.endswith("}") else inner
    matcher = r'[a-zA-Z_]\w*\s*(?:=~|!~|!=|=)\s*"(?:[^"\\\n]|\\.)*"'
    if not re.fullmatch(rf"{matcher}(?:\s*,\s*{matcher})*\s*,?", inner, re.ASCII):
        raise UsageError(f'the selector {text[:80]!r} is none; write matchers as PromQL does, such as \'cluster="eu1",team=~"a|b"\'')
    return inner.rstrip(", ")


class Asking:
    """Writes selectors and subqueries for one report."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self.over_time = asked.over_time
        self.window, self.steps = f"{asked.window_seconds}s", steps_of(asked.window_seconds)

    @property
    def of_last_day(self) -> Asking | None:
        """The same of the last day alone, in the same steps; None: the window is no longer than that."""
        if self._asked.window_seconds <= DAY_SECONDS:
            return None
        day = Asking(self._asked.replace(window_seconds=DAY_SECONDS))
        day.steps = self.steps
        return day

    def selector(self, name: str, *matchers: str, namespace: str | None = "namespace") -> str:
        """The metric, or a pair of braces, with what restricts the report. ``namespace``: the label that holds it, None: none does."""
        restricted = [*matchers]
        if any(prefix in name for prefix in _OTHERS):
            restricted.append('exported_namespace=""')  # else pod and namespace are those of the exporter itself, and all pods one
        if namespace is not None and self._asked.namespaces:
            restricted.append(f'{namespace}=~"{"|".join(map(_quote, self._asked.namespaces))}"')
        if self._asked.selector:
            restricted.append(self._asked.selector)
        if not name.endswith("}"):
            return f"{name}{{{','.join(restricted)}}}" if restricted else name
        return f"{name[:-1]}{''.join(f',{each}' for each in restricted)}}}"

    def named(self, names: Iterable[str], *matchers: str, namespace: str | None = "namespace") -> str:
        return self.selector(f'{{__name__=~"{"|".join(names)}"}}', *matchers, namespace=namespace)

    def every(self, names: Iterable[str], *matchers: str) -> str:
        """All series of these names, whatever labels they lack and of whatever namespace."""
        restricted = (f'__name__=~"{"|".join(names)}"', *matchers, *((self._asked.selector,) if self._asked.selector else ()))
        return f"{{{','.join(restricted)}}}"

    def over(self, expression: str, step: int) -> str:
        """The expression at each step of the window."""
        return f"({expression})[{self.window}:{step}s]" if " " in expression else f"{expression}[{self.window}:{step}s]"


def _quote(text: str) -> str:
    """A name as a part of a regular expression in PromQL's quotes. Names in Kubernetes have no other special letter than the dot."""
    return "".join(letter if letter.isalnum() or letter in "-_" else f"\\\\{letter}" for letter in text if letter not in '"\n')
