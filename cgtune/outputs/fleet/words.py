"""Words that the formats of a fleet share: who a row is, its figures, how it is as a whole."""

from __future__ import annotations

from cgtune.model import HARMS
from cgtune.numbers import format_cores
from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import felt_words, format_bytes, format_setting, format_value, grounds_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cgtune.fleet.model import FleetReport, Key, Measured, Row, Sized, Span
    from cgtune.model import Finding, Harm

UNKNOWN = "?"

_VERBS: dict[Harm, tuple[str, str]] = {"now": ("hurts now", "hurt now"), "earlier": ("hurt earlier",) * 2, "possible": ("may hurt",) * 2}
_WHAT = {"cpu-limit": "CPU limit", "cpu-request": "CPU request", "memory-limit": "memory limit", "memory-request": "memory request"}
_MIB = 1 << 20
_LONGEST_NAME, _ENDS = 253, 100
#: How sure a value has to be to be written into a patch, and to be added up.
SURE = ("high", "medium")


def workload_name(key: Key) -> str:
    """`eu1/shop/Deployment/orders`, without what is not known of it, not escaped."""
    return "/".join(_short(part) for part in (key.cluster, key.namespace, key.kind, key.name) if part)


def _short(name: str) -> str:
    """Kubernetes has no longer names; what a label has beyond that is shown by both its ends."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:_ENDS]}...{name[-_ENDS:]}"


def container_name(key: Key) -> str:
    """The container's, empty if the series do not tell it, not escaped."""
    return _short(key.container)


def row_name(key: Key) -> str:
    """The workload and its container, as one name, not escaped."""
    return f"{workload_name(key)}, container {container_name(key)}" if key.container else workload_name(key)


def state_words(report: FleetReport) -> str:
    """How the fleet is, in a line: `2 containers hurt now, 1 may hurt, of 7`."""
    harms = [min((finding.urgency[0] for finding in row.findings), default=len(HARMS)) for row in report.rows]
    counts = [(harms.count(index), harm) for index, harm in enumerate(HARMS)]
    said = [f"{count} {_VERBS[harm][count > 1]}" for count, harm in counts if count]
    whole = f"{len(harms)} Go container{'s' * (len(harms) != 1)}"
    return f"{', '.join(said)}, of {whole}" if said else f"nothing found on {whole}"


def doctor_words(report: FleetReport) -> str:
    """What the monitoring lacks, in a line: `3 gaps in what this server has of Go programs; Prometheus 2.42.0, ...`."""
    gaps = len(report.not_joined)
    if not gaps:
        return f"nothing is missing that cgtune fleet reads; {source_words(report)}"
    return f"{gaps} gap{'s' * (gaps != 1)} in what this server has of Go programs; {source_words(report)}"


def source_words(report: FleetReport) -> str:
    """Where it is from: `Prometheus 2.42.0, 7 days until 2026-11-29T08:00:00Z, 14 requests`."""
    requests = f"{report.queries} request{'s' * (report.queries != 1)}"
    return escape_control(f"{report.engine}, {format_age(report.window_seconds)} until {report.time}, {requests}")


def format_age(seconds: float) -> str:
    """`7 days`, `36 h`, `20 min`: in the largest unit of which there are two or more, or whole ones."""
    for unit_seconds, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        count = seconds / unit_seconds
        if count >= 2 or count == 1:
            return f"{count:.1f}".removesuffix(".0") + f" {unit}{'s' * (unit == 'day' and count != 1)}"
    return f"{seconds:.0f} s"


def cores_words(cores: float | None) -> str:
    """CPUs, with two digits after the point at the most if they were measured."""
    return UNKNOWN if cores is None else format_cores(round(cores, 2) or round(cores, 3))


def bytes_words(count: float | None) -> str:
    """Bytes for people, with their sign."""
    if count is None:
        return UNKNOWN
    return f"-{format_bytes(int(-count))}" if count < 0 else format_bytes(int(count))


def percent_words(share: float | None) -> str:
    """A share from 0 to 1 in percent."""
    if share is None:
        return UNKNOWN
    return f"{100 * share:.1f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def spread_words(least: int | None, most: int | None) -> str:
    """GOMAXPROCS over the replicas: `2`, `2-64`."""
    if most is None:
        return UNKNOWN
    return str(most) if least is None or least == most else f"{least}-{most}"


def go_words(measured: Measured) -> str:
    """Its Go versions, and whether the runtime obeys its quota as far as that is told: `1.24.11 (blind)`."""
    if not measured.go:
        return UNKNOWN
    names = "/".join(_short(version.removeprefix("go")) for version in measured.go)
    aware = {True: " (aware)", False: " (blind)", None: ""}[measured.is_aware]
    return escape_control(names) + aware


def limit_words(measured: Measured, what: str) -> str:
    """The limit on "cpu" or "memory": `2`, `none`, `?`."""
    if what == "cpu":
        value, is_none = measured.cpu_limit_cores, measured.is_cpu_unlimited
        shown = "" if value is None else format_cores(value)
    else:
        count, is_none = measured.memory_limit_bytes, measured.is_memory_unlimited
        shown = "" if count is None else format_bytes(count)
    return shown or ("none" if is_none else UNKNOWN)


def gomemlimit_words(measured: Measured) -> str:
    """GOMEMLIMIT as it is: `460 MiB`, `off`, `?`."""
    if measured.is_gomemlimit_off:
        return "off"
    return UNKNOWN if measured.gomemlimit_bytes is None else format_value("GOMEMLIMIT", measured.gomemlimit_bytes)


def throttled_words(span: Span) -> str:
    """The share of periods, in the median and at its worst: `3.1 % / 40 %`; a dash if it was not counted."""
    return "-" if span.p50 is None and span.most is None else f"{percent_words(span.p50)} / {percent_words(span.most)}"


def finding_line(finding: Finding) -> str:
    """One finding without its evidence: `critical oom-killed: hurts now: OOM kills: at least 3`."""
    return f"{finding.severity} {finding.rule}: {felt_words(finding)}{escape_control(finding.summary)}"


def finding_text(row: Row, finding: Finding) -> str:
    """A whole finding in one paragraph."""
    name, grounds = escape_control(row_name(row.key)), grounds_words(finding.evidence, finding.advice)
    return f"{name}: {felt_words(finding)}{escape_control(finding.summary)}.{grounds}"


def sized_value(sized: Sized) -> str:
    """The value as Kubernetes takes it: `1250m`, `460Mi`; empty if nothing is recommended."""
    if sized.value is None:
        return ""
    if sized.what.startswith("cpu"):
        milli = -int(-round(sized.value * 1000, 6) // 1)
        return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"
    count = int(sized.value)
    return f"{count // _MIB}Mi" if count % _MIB == 0 else str(count)


def sized_words(sized: Sized) -> str:
    """One of the values that history speaks for: `CPU limit 1250m (confidence high): at most 0.9 CPUs in a sample`."""
    because = "; ".join(map(escape_control, sized.because))
    if sized.value is None:
        return f"{_WHAT[sized.what]}: nothing is recommended: {because}"
    return f"{_WHAT[sized.what]} {sized_value(sized)} (confidence {sized.confidence}): {because}"


def recommended_words(row: Row) -> Iterable[str]:
    """What to set under the limits of now, one line a variable."""
    for each in row.recommendations:
        doubt = f"; not sure yet: {escape_control(each.doubt)}" if each.doubt else ""
        act = f"{each.name}={format_setting(each)}" if each.set else f"{each.name} unset"
        yield f"{act}: {'; '.join(map(escape_control, each.because))}{doubt}"


def history_words(measured: Measured) -> str:
    """How much is known of it: `6.9 days of history, 9900 samples, from cadvisor, ksm`."""
    seconds = "unknown history" if measured.history_seconds is None else f"{format_age(measured.history_seconds)} of history"
    samples = "" if measured.samples is None else f", {measured.samples} samples"
    sources = f", from {', '.join(map(escape_control, measured.sources))}" if measured.sources else ""
    return f"{seconds}{samples}{sources}"


def is_sure(row: Row, what: str) -> bool:
    """Whether its history speaks for this limit or request with more than low confidence."""
    return any(sized.what == what and sized.value is not None and sized.confidence in SURE for sized in row.sized)


def waste_words(rows: Sequence[Row]) -> str:
    """What the whole fleet asks for beyond what its history speaks for, and what it lacks; empty if neither is known.

    A value of low confidence is not added: of how many containers it is left out is said.
    """
    said, unsure = [], []
    for name, what, field, show in (
        ("CPUs", "cpu-request", "wasted_cores", cores_words),
        ("of memory", "memory-request", "wasted_bytes", bytes_words),
    ):
        values = [value for row in rows if is_sure(row, what) and (value := getattr(row, field)) is not None]
        over, under = sum(value for value in values if value > 0), -sum(value for value in values if value < 0)
        parts = [f"{show(value)} {name} too {way}" for value, way in ((over, "much"), (under, "little")) if value]
        said += [" and ".join(parts)] if parts else []
        left_out = sum(getattr(row, field) is not None and not is_sure(row, what) for row in rows)
        unsure += [f"{name.removeprefix('of ')} of {left_out} container{'s' * (left_out != 1)}"] if left_out else []
    said += [f"not added, as of low confidence: {', '.join(unsure)}"] if unsure else []
    return f"requests, all replicas: {'; '.join(said)}" if said else ""
