"""For whom OOM kills are counted: the container, the pod and the workload of a process, and the cgroups whose counters are theirs. Pure.

Not covered: no file names a pod's workload, and its name is told from that of the pod, as Kubernetes makes it.
"""

from __future__ import annotations

from cgtune.cgroups.containers import parse_pod
from cgtune.model import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import MemoryLevel, Snapshot

#: What Kubernetes makes the ends of names of (k8s.io/apimachinery, pkg/util/rand: alphanums): no vowels, no 0, 1 and 3.
_SAFE_LETTERS = frozenset("bcdfghjklmnpqrstvwxz2456789")
_RANDOM_LENGTH = 5
_LONGEST_HASH = 10  # of a pod template, a 32 bit number in decimal
_LEAST_MINUTES = 8  # since the epoch, which a CronJob's Jobs have in their names


def owners_of(snapshot: Snapshot) -> tuple[Owner, ...]:
    """The owners of a process that can be told: container, pod and workload, in this order."""
    container = snapshot.container
    names = {"namespace": container.pod_namespace, "pod": container.pod_name, "container": container.name}
    owners = []
    if id_ := container.id or (None if container.pod_uid else container.name):
        owners.append(Owner(of="container", name=id_, runtime=container.runtime, uid=container.pod_uid, **names))
    if container.pod_uid:
        owners.append(Owner(of="pod", name=container.pod_uid, namespace=container.pod_namespace, pod=container.pod_name))
        if container.pod_name is not None:
            owners.append(Owner(of="workload", name=name_workload(container.pod_name), namespace=container.pod_namespace))
        return tuple(owners)
    charged = snapshot.charged_level
    path = "" if charged is None else charged.path
    unit = next((part for part in reversed(path.split("/")) if part.endswith(".service")), None)
    if unit is not None or (not owners and path.strip("/")):
        owners.append(Owner(of="workload", name=unit or path))
    return tuple(owners)


def workload_of(snapshot: Snapshot) -> str:
    """The name of its workload; if none can be told the container's id, the pod's UID or the command, so that no two become one."""
    workload = next((owner.name for owner in owners_of(snapshot) if owner.of == "workload"), None)
    container = snapshot.container
    return workload or container.id or container.pod_uid or container.name or snapshot.process.command


def name_workload(pod: str) -> str:
    """The workload that a pod's name tells: `web-5d4f8c7b9d-x2vlq` is of web, `db-0` of db, `agent-7kqzt` of agent; else the pod's name."""
    stem, dash, end = pod.rpartition("-")
    if not dash or not stem:
        return pod
    if end.isdecimal() and len(end) < _RANDOM_LENGTH:
        return stem  # a StatefulSet's
    if len(end) != _RANDOM_LENGTH or set(end) - _SAFE_LETTERS:
        return pod
    before, dash, hash_ = stem.rpartition("-")
    is_hash = _RANDOM_LENGTH <= len(hash_) <= _LONGEST_HASH and not set(hash_) - _SAFE_LETTERS
    return before if dash and before and (is_hash or (hash_.isdecimal() and len(hash_) >= _LEAST_MINUTES)) else stem


def locate_counting(snapshot: Snapshot) -> tuple[tuple[MemoryLevel, tuple[Owner, ...]], ...]:
    """The cgroups whose counter of OOM kills is that of an owner, each with these.

    On v2 a cgroup counts what is below it: one cgroup for each owner. On v1 it counts itself alone: all from the process's own up to the
    container's count for each.
    """
    charged, owners = snapshot.charged_level, owners_of(snapshot)
    if charged is None or not owners:
        return ()
    chain = snapshot.memory_chain[snapshot.memory_chain.index(charged) :]
    id_, uid = snapshot.container.id, snapshot.container.pod_uid
    names = [level.path.rpartition("/")[2] for level in chain]
    inner = next((place for place, name in enumerate(names) if id_ and id_ in name), 0)
    pod = next((place for place, name in enumerate(names) if uid and parse_pod(name) == uid), None)
    if charged.version == 1:
        return tuple((level, owners) for level in chain[: inner + 1])
    if pod is None or pod == inner:
        return ((chain[inner], owners),)
    return (
        (chain[inner], tuple(owner for owner in owners if owner.of == "container")),
        (chain[pod], tuple(owner for owner in owners if owner.of != "container")),
    )
