"""Series of metrics for a container or a workload instead of each process: what can be added is added, of all else the highest is shown.

- A counter begins at 0 with the first look, and grows by what those of its processes and cgroups grew by: one that ends takes nothing
  away, one that comes brings nothing with it. A sum of what they have would fall with each end, and Prometheus would take that for a reset.
- A size is the sum, if each of the processes has it; if one does not tell, there is none. What a cgroup has is counted once, however many
  processes are in it.
- CPUs that may be used, GOGC, shares, times and findings cannot be added: the highest of those that are known.
"""

from __future__ import annotations

from cgtune.outputs.series import BARE, add_process, is_old_enough, labels_of
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cgtune.model import LabelSet, ProcessReport
    from cgtune.outputs.prometheus import Series

    Labels = tuple[tuple[str, str], ...]
    Source = tuple[int, int] | str

_HIGHEST = frozenset(
    (
        *("cgtune_cpu_usable_cpus", "cgtune_gogc_derived_percent", "cgtune_gogc_observed_percent", "cgtune_go_gc_cpu_ratio"),
        *("cgtune_go_last_collection_timestamp_seconds", "cgtune_process_start_time_seconds"),
        *("cgtune_go_info", "cgtune_finding", "cgtune_harm", "cgtune_advice_info"),
    )
)


class _Counter(Record):
    """A counter so far, and what each of its sources had at the last look."""

    total: float
    before: Mapping[Source, float]


class _Gathered:
    """The samples of one look, by name and labels."""

    def __init__(self) -> None:
        self.helps: dict[tuple[str, Labels], str] = {}
        self.values: dict[tuple[str, Labels], dict[Source, float]] = {}
        self.told: dict[tuple[str, Labels], int] = {}
        self.members: dict[Labels, int] = {}
        self.groups: dict[tuple[str, Labels], Labels] = {}
        self._process: tuple[int, int] = (0, 0)

    def add_process(self, report: ProcessReport, labels: Mapping[str, str]) -> None:
        identity, group = report.snapshot.process, tuple(labels.items())
        self._process = (identity.pid, identity.start_ticks)
        self.members[group] = self.members.get(group, 0) + 1
        add_process(self, report, labels)

    def add(self, name: str, help_: str, value: float | None, labels: Mapping[str, str] = BARE, *, of: str = "", **more: str) -> None:
        """As a Sink takes it."""
        if value is None:
            return
        key = (name, (*labels.items(), *more.items()))
        self.helps[key], self.groups[key] = help_, tuple(labels.items())
        self.values.setdefault(key, {})[of or self._process] = value
        self.told[key] = self.told.get(key, 0) + 1


class Merger:
    """Adds up the samples of each look; what it keeps is of the series of the last one alone."""

    def __init__(self, label_set: LabelSet, least_age_seconds: float) -> None:
        self._label_set, self._least_age_seconds = label_set, least_age_seconds
        self._counters: dict[tuple[str, Labels], _Counter] = {}

    def look(self, processes: Iterable[ProcessReport]) -> tuple[Series, ...]:
        """The series of one look."""
        gathered = _Gathered()
        for process in processes:
            if is_old_enough(process.snapshot, self._least_age_seconds):
                gathered.add_process(process, labels_of(process.snapshot, self._label_set))
        old, self._counters = self._counters, {}
        series: list[Series] = []
        for key, values in gathered.values.items():
            name, labels = key
            if name.endswith("_total"):
                self._counters[key] = counter = _grown(old.get(key), values)
                value = counter.total
            elif name in _HIGHEST:
                value = max(values.values())
            elif gathered.told[key] < gathered.members[gathered.groups[key]]:
                continue
            else:
                value = sum(values.values())
            series.append((name, gathered.helps[key], value, dict(labels)))
        return tuple(series)


def _grown(counter: _Counter | None, values: Mapping[Source, float]) -> _Counter:
    if counter is None:
        return _Counter(total=0.0, before=values)
    total = counter.total
    for source, value in values.items():
        before = counter.before.get(source, value)
        total += value - before if value >= before else value  # one that fell began anew
    return _Counter(total=total, before=values)
