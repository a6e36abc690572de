"""The first question to an engine: which series are there, and which labels do they have? Pure."""

from __future__ import annotations

from cgtune.fleet.asked import Asking
from cgtune.fleet.model import Query
from cgtune.fleet.names import PROBED, RECORDED
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.fleet.asked import Asked
    from cgtune.fleet.model import Answer


class Seen(Record):
    """What the probe saw of one metric: the job and cluster of its series, and which labels they have.

    ``is_at_begin``: it is no series of now, but a recorded one that was there at the begin of the window.
    """

    name: str
    series: int
    job: str = ""
    cluster: str = ""
    has_pod: bool = True
    has_container: bool = True
    is_exported: bool = False
    is_otel: bool = False
    is_at_begin: bool = False


def probe_query(asked: Asked) -> Query:
    """Which series are there, by metric, job and cluster, and with which labels; which recorded ones reach back."""
    every = Asking(asked).every(PROBED)
    for flag, source in (
        ("has_pod", "pod"),
        ("has_container", "container"),
        ("is_exported", "exported_namespace"),
        ("is_otel", "k8s_pod_name"),
    ):
        every = f'label_replace({every},"{flag}","1","{source}",".+")'
    counted = f"count by (__name__,job,cluster,has_pod,has_container,is_exported,is_otel) ({every})"
    recorded = f'count by (__name__) ({{__name__=~"{"|".join(RECORDED)}"}} offset {asked.window_seconds}s)'
    return Query(name="probe", promql=f'{counted} or label_replace({recorded},"is_at_begin","1","","")')


def read_probe(answer: Answer) -> tuple[Seen, ...]:
    """What the probe saw."""
    return tuple(
        Seen(
            name=sample.label("__name__"),
            series=int(sample.value),
            job=sample.label("job"),
            cluster=sample.label("cluster"),
            **{flag: sample.label(flag) == "1" for flag in ("has_pod", "has_container", "is_exported", "is_otel", "is_at_begin")},
        )
        for sample in answer.samples
    )
