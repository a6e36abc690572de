"""The first questions to an engine: which series are there, which labels do they have, and which recorded ones reach back? Pure."""

from __future__ import annotations

from cgtune.fleet.asked import Asking
from cgtune.fleet.model import Query
from cgtune.fleet.names import CPU, MEMORY, PROBED, RECORDED
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cgtune.fleet.asked import Asked
    from cgtune.fleet.model import Answer


_LOOKED_AT = ("go_info", *CPU, *MEMORY)


class Seen(Record):
    """What the probe saw of one metric: the job and cluster of its series, and which labels those of programs and of use have.

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


def probe_queries(asked: Asked) -> tuple[Query, Query]:
    """Which series are there, by metric, job and cluster, and with which labels; which recorded ones reach back.

    Labels are looked at where it matters: an engine makes new ones of each series of which it is asked what it has. The begin of the window
    is a question of its own: beside it Prometheus looks up all series in the indexes of the whole window, and takes three times as long.
    """
    ask, by = Asking(asked), "__name__,job,cluster"
    looked = ask.every(_LOOKED_AT, 'exported_namespace=""')
    for flag, source in (("has_pod", "pod"), ("has_container", "container"), ("is_otel", "k8s_pod_name")):
        looked = f'label_replace({looked},"{flag}","1","{source}",".+")'
    others = ask.every((name for name in PROBED if name not in _LOOKED_AT), 'exported_namespace=""')
    exported = ask.every(PROBED, 'exported_namespace!=""')
    recorded = f'count by (__name__) ({{__name__=~"{"|".join(RECORDED)}"}} offset {asked.window_seconds}s)'
    # "or" does not tell names apart, so the parts need a label that does
    parts = (
        f"count by ({by},has_pod,has_container,is_otel) ({looked})",
        f'label_replace(count by ({by}) ({others}),"part","others","","")',
        f'label_replace(count by ({by}) ({exported}),"is_exported","1","","")',
    )
    return Query(name="probe", promql=" or ".join(parts)), Query(
        name="probe_begin", promql=f'label_replace({recorded},"is_at_begin","1","","")'
    )


def read_probe(answers: Iterable[Answer]) -> tuple[Seen, ...]:
    """What they saw."""
    return tuple(
        Seen(
            name=sample.label("__name__"),
            series=int(sample.value),
            job=sample.label("job"),
            cluster=sample.label("cluster"),
            **{flag: sample.label(flag) == "1" for flag in ("has_pod", "has_container", "is_exported", "is_otel", "is_at_begin")},
        )
        for answer in answers
        for sample in answer.samples
    )
