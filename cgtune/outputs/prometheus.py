"""A report and the service's own numbers as Prometheus metrics, in the text format (version 0.0.4) and in OpenMetrics 1.0.0.

Both are written here, family by family, packed as they grow, with labels sorted by name and numbers as Go prints them: to the byte what
prometheus_client writes, without the 10 MiB that it would hold. What is told of each process is in ``outputs.series``. Names and labels are
listed in docs/serve.md.
"""

from __future__ import annotations

from cgtune.outputs.packed import Packed
from cgtune.outputs.series import BARE, add_counts, add_process, is_old_enough, label_text, labels_of
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cgtune.model import Kills, Owner, Report
    from cgtune.outputs.series import Sink

    #: Name, help, value and labels of a sample.
    Series = tuple[str, str, float, Mapping[str, str]]

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_END = "# EOF\n"
_INFINITE = float("inf")
_MOST_WHOLE_DIGITS = 6
_FAMILY_BYTES = 8 << 10  # there are some sixty, which grow all at once


class ServiceFacts(Record):
    """What the service says of itself. What hangs on a report is None before the first; ``age_seconds`` and ``running_seconds``, how long
    the present scan has been running, also in a file, where they would stand still. ``stages``: (name, seconds, whether all went well) of
    each stage of a scan that was ever run.
    """

    version: str
    scans: int
    scan_errors: int
    unreadable: int | None = None
    left_out: int | None = None
    missing: int | None = None
    scan_seconds: float | None = None
    running_seconds: float | None = None
    stages: tuple[tuple[str, float, bool], ...] = ()
    report_time_seconds: float | None = None
    age_seconds: float | None = None


def render_report(report: Report, *, openmetrics: bool, least_age_seconds: float = 0.0, merged: Sequence[Series] | None = None) -> Packed:
    """The metrics of a report that has its findings: a series for each process that has lived so long, or those that are ``merged``."""
    families = _Families(openmetrics=openmetrics)
    add_counts(families, report)
    for name, help_, value, labels in merged or ():
        families.add(name, help_, value, labels)
    for process in report.processes if merged is None else ():
        if is_old_enough(process.snapshot, least_age_seconds):
            add_process(families, process, labels_of(process.snapshot, "pid"))
    return families.render()


def render_service(facts: ServiceFacts, *, openmetrics: bool) -> Packed:
    """The metrics of the service itself."""
    families = _Families(openmetrics=openmetrics)
    add_service(families, facts)
    return families.render()


def add_service(families: Sink, facts: ServiceFacts) -> None:
    """The samples of the service itself."""
    families.add("cgtune_build_info", "The version of cgtune that serves.", 1, version=facts.version)
    families.add("cgtune_scans_total", "Scans that ended with a report.", facts.scans)
    families.add("cgtune_scan_errors_total", "Scans that failed; the report before stays.", facts.scan_errors)
    families.add("cgtune_unreadable_processes", "Processes that could not be looked into.", facts.unreadable)
    families.add("cgtune_processes_left_out", "Go processes that are too many to be reported.", facts.left_out)
    families.add("cgtune_missing_processes", "Processes asked for by pid that are not there.", facts.missing)
    families.add("cgtune_scan_duration_seconds", "How long the last scan took.", facts.scan_seconds)
    families.add("cgtune_scan_running_seconds", "How long the present scan has been running; 0 between two.", facts.running_seconds)
    for name, seconds, _ in facts.stages:
        families.add("cgtune_scan_stage_duration_seconds", "How long a stage of a scan took the last time.", seconds, stage=name)
    for name, _, is_good in facts.stages:
        families.add("cgtune_scan_stage_success", "Whether a stage of a scan went well the last time.", int(is_good), stage=name)
    families.add("cgtune_report_timestamp_seconds", "When the report was made, since the epoch.", facts.report_time_seconds)
    families.add("cgtune_report_age_seconds", "How old the report is.", facts.age_seconds)


#: The label that names each kind of owner, beside Kubernetes's names.
_OWNER_LABELS = {"container": "container_id", "pod": "uid", "workload": "workload"}


def render_kills(kills: Sequence[Kills], workloads: Sequence[Owner], forgotten: int, *, openmetrics: bool) -> Packed:
    """The metrics of what is remembered of OOM kills; ``workloads`` are those that have a series of 0 if they have no kill."""
    families = _Families(openmetrics=openmetrics)
    add_kills(families, kills, workloads, forgotten)
    return families.render()


def add_kills(families: Sink, kills: Sequence[Kills], workloads: Sequence[Owner], forgotten: int) -> None:
    """The samples of the same."""
    killed = {each.owner.key for each in kills}
    for each in kills:
        _add_kills(families, each.owner, each.oom_kills, each.last_seconds)
    for owner in workloads:
        if owner.key not in killed:
            _add_kills(families, owner, 0, None)
    families.add("cgtune_kills_forgotten_total", "Owners whose kills are remembered no more, as they were too many.", forgotten)


def _add_kills(families: Sink, owner: Owner, kills: int, last_seconds: float | None) -> None:
    name = f"{owner.runtime}://{owner.name}" if owner.runtime and owner.of == "container" else owner.name
    labels = {_OWNER_LABELS[owner.of]: name, "namespace": owner.namespace}
    if owner.of != "workload":
        labels["pod"] = owner.pod
    if owner.of == "container":
        labels |= {"uid": owner.uid, "container": owner.container}
        if owner.uid is not None and owner.container is not None:
            labels[_OWNER_LABELS[owner.of]] = None  # it changes each time the container is made anew: a counter must go on
    more = {key: label_text(value or "") for key, value in labels.items()}
    families.add(f"cgtune_{owner.of}_oom_kills_total", f"OOM kills of a {owner.of} since the service began to look.", kills, more)
    families.add(f"cgtune_{owner.of}_last_oom_kill_timestamp_seconds", f"When a {owner.of} had its last one.", last_seconds, more)


def join_metrics(parts: Iterable[Packed], *, openmetrics: bool) -> Packed:
    """Rendered parts as one page, with the end that OpenMetrics has; their families must differ."""
    return Packed((*parts, _END) if openmetrics else parts)


class _Families:
    """Metric families by name, in the order in which they were first named; of each the lines so far."""

    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._families: dict[str, Packed] = {}
        self._labels: Mapping[str, str] = BARE
        self._pairs: dict[str, str] = {}
        self._text = ""

    def add(
        self,
        name: str,
        help_: str,
        value: float | None,
        labels: Mapping[str, str] = BARE,
        *,
        of: str = "",  # noqa: ARG002  # each process has its series, whoever shares the value
        **more: str,
    ) -> None:
        """As a Sink takes it; without labels: of the machine or the service."""
        if value is None:
            return
        family = self._families.get(name)
        if family is None:
            kind = "counter" if name.endswith("_total") else "gauge"
            named = name.removesuffix("_total") if self._openmetrics else name  # there a family bears no suffix
            told = _escape(help_) if self._openmetrics else help_.replace("\\", r"\\").replace("\n", r"\n")
            family = self._families[name] = Packed(piece_bytes=_FAMILY_BYTES)
            family.add(f"# HELP {named} {told}\n# TYPE {named} {kind}\n")
        if labels is not self._labels:  # those of a process are those of some fifty samples
            self._labels, self._pairs = labels, {key: f'{key}="{_escape(text)}"' for key, text in labels.items()}
            self._text = _braced(self._pairs)
        pairs = _braced(self._pairs | {key: f'{key}="{_escape(text)}"' for key, text in more.items()}) if more else self._text
        family.add(f"{name}{pairs} {format_value(value)}\n")

    def render(self) -> Packed:
        """All of them."""
        return Packed(self._families.values())


def _braced(pairs: Mapping[str, str]) -> str:
    return f"{{{','.join(pairs[key] for key in sorted(pairs))}}}" if pairs else ""


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def format_value(value: float) -> str:
    """A number as Go prints it (strconv, format 'g' with as many digits as it takes): from 1e+06 on with an exponent if it has a point."""
    number = float(value)
    if number != number:  # noqa: PLR0124  # the one value that is not itself
        return "NaN"
    if number in (_INFINITE, -_INFINITE):
        return "+Inf" if number > 0 else "-Inf"
    text = repr(number)
    whole, _, fraction = text.partition(".")
    if number < 0 or len(whole) <= _MOST_WHOLE_DIGITS:  # or with an exponent already: 1e+308
        return text
    digits = f"{whole[0]}.{whole[1:]}{fraction}".rstrip("0").removesuffix(".")
    return f"{digits}e+{len(whole) - 1:02d}"
