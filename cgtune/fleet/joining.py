"""Joins the answers of an engine to one row for each container of a workload, and counts what belongs to no row. Pure.

The key is (cluster, namespace, pod, container), and then the owner of the pod. A row is made for what is known to run Go now. Its history
is that of all pods that the workload had in the window; its settings, limits and replicas are those of its pods of now.
"""

from __future__ import annotations

from cgtune.cgroups.owners import name_workload
from cgtune.fleet.gaps import gap
from cgtune.fleet.measuring import RESTARTS, Replica, measure
from cgtune.fleet.model import Key
from cgtune.fleet.names import CPU, NODES, OWNERS, RESOURCES, STATES
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cgtune.fleet.model import Answer, Measured, NotJoined
    from cgtune.fleet.probe import Seen

    Pod = tuple[str, str, str]  # cluster, namespace, name
    Owner = tuple[str, str]  # kind, name

_OTEL = {"k8s_namespace_name": "namespace", "k8s_pod_name": "pod", "k8s_container_name": "container", "process_runtime_version": "version"}
_APART = frozenset(("owner", "cgtune_kills"))  # answers that are of no container
_STATES = frozenset(("states", "restarts_least", "restarts_most"))
_SERIES = {**dict.fromkeys(RESTARTS, STATES[0]), "oom": STATES[1], "nodes": NODES[1]}  # what answers call otherwise
_NOW = 2  # the value of an owner whose pod is there now


class Joined(Record):
    """The rows, by key, and what belongs to none."""

    rows: tuple[tuple[Key, Measured], ...]
    not_joined: tuple[NotJoined, ...]


def join(answers: Iterable[Answer], seen: Iterable[Seen] = ()) -> Joined:
    """All answers of one report as rows; ``seen`` is what the probe saw.

    An answer with an error tells nothing, and its warnings are for who shows them.
    """
    looked = tuple(seen)
    joining = _Join({answer.query.name: answer for answer in answers if answer.error is None}, looked)
    for each in looked:  # they lack what they would be grouped by, or have another's, so that no answer tells how many they are
        if each.is_exported:
            joining.miss("exported", each.series, job=each.job)
        elif each.name == "go_info" and not each.has_pod:
            joining.miss("no-pod", each.series, job=each.job)
    return joining.rows()


def _own_name(of_pod: str) -> str:
    """``kube_pod_resource_limit_cpu`` as kube-state-metrics has it of a container."""
    return of_pod.replace("kube_pod_resource_limit_", f"{RESOURCES[0]}_").replace("kube_pod_resource_request_", f"{RESOURCES[1]}_")


class _Join:
    """One report's answers while they are joined."""

    def __init__(self, answers: Mapping[str, Answer], seen: tuple[Seen, ...]) -> None:
        self._answers = answers
        self._gaps: dict[tuple[str, str], int] = {}
        present = {each.name for each in seen}
        # Of a question that was refused nothing is known; without such a series it was not asked
        self._tells_owners = "owner" in answers or (bool(present) and OWNERS[0] not in present)
        used = [each for each in seen if each.name in CPU and not (each.is_otel or each.is_exported)]
        self._is_unnamed = bool(used) and not any(each.has_container for each in used)
        if self._is_unnamed:
            self.miss("cadvisor-unnamed", sum(each.series for each in used))
        self._pods: dict[Pod, dict[str, Replica]] = {}
        named = {cluster for answer in answers.values() for sample in answer.samples if (cluster := sample.label("cluster"))}
        self._only_cluster = named.pop() if len(named) == 1 else ""
        self._is_one_cluster = not named
        self._read_owners()
        for name, answer in answers.items():
            if name not in _APART:
                self._read_answer(name, answer)
        self._attribute()

    def miss(self, code: str, count: int = 1, *, job: str = "") -> None:
        self._gaps[code, job] = self._gaps.get((code, job), 0) + count

    def _cluster(self, labels: Mapping[str, str]) -> str:
        """Where all that name a cluster name one, those that name none are of it."""
        return labels.get("cluster", "") or self._only_cluster

    def _samples(self, name: str) -> Iterable[tuple[dict[str, str], float]]:
        answer = self._answers.get(name)
        for sample in () if answer is None else answer.samples:
            yield dict(sample.labels), sample.value

    def _read_owners(self) -> None:
        self._uppers: dict[tuple[str, str, str, str], Owner] = {}
        for labels, _ in self._samples("owner"):
            if labels.get("pod"):
                continue
            kind, name = ("ReplicaSet", labels["replicaset"]) if labels.get("replicaset") else ("Job", labels.get("job_name", ""))
            if labels.get("owner_name", "").strip("<>") not in ("", "none"):
                key = (self._cluster(labels), labels.get("namespace", ""), kind, name)
                self._uppers[key] = (labels.get("owner_kind", ""), labels["owner_name"])
        self._owners: dict[Pod, Owner] = {}
        self._now: set[Pod] = set()
        for labels, value in self._samples("owner"):
            if not labels.get("pod"):
                continue
            pod = (self._cluster(labels), labels.get("namespace", ""), labels.get("pod", ""))
            owner = (labels.get("owner_kind", "").strip("<>"), labels.get("owner_name", "").strip("<>"))
            self._owners[pod] = ("Pod", pod[2]) if owner[0] in ("", "none", "Node") else owner
            if value >= _NOW:
                self._now.add(pod)

    def _read_answer(self, name: str, answer: Answer) -> None:
        for sample in answer.samples:
            labels = {_OTEL.get(key, key): value for key, value in sample.labels}
            what = labels.get("__name__") or labels.get("of") or name
            if name in ("resources", "pod_resources"):
                what = f"{what}_{labels.get('resource', '')}"
            pod = (self._cluster(labels), labels.get("namespace", ""), labels.get("pod", ""))
            if not pod[0] and not self._is_one_cluster:
                self.miss("no-cluster")
            elif pod[1] and pod[2]:
                replica = self._pods.setdefault(pod, {}).setdefault(labels.get("container", ""), Replica())
                is_read = replica.take_track(what, sample) if sample.times else replica.take(name, what, sample.value, labels)
                if not is_read:
                    self.miss("impossible", job=_SERIES.get(what, what))
            else:
                self._miss_pod(name, what, labels)

    def _miss_pod(self, name: str, what: str, labels: Mapping[str, str]) -> None:
        if name == "cgtune":
            is_merged = labels.get("namespace") and labels.get("workload")
            if is_merged or what == "cgtune_go_info":
                self.miss("merged-settings" if is_merged else "outside")
        elif what == "go_info" and labels.get("pod"):
            self.miss("no-namespace")

    def _attribute(self) -> None:
        """What names no container is of its pod's only one; a pod's own limit is for all its containers.

        kube-scheduler's series are sums of the containers' if these have any: then they say nothing of a container that has none.
        """
        for containers in self._pods.values():
            loose = containers.pop("", None)
            if loose is None:
                continue
            if not containers:
                containers[""] = loose
                continue
            of_pod, of_container = loose.split()
            own = {name for each in containers.values() for name in each.values}
            of_pod = {name: value for name, value in of_pod.items() if _own_name(name) not in own}
            for each in containers.values():
                each.of_pod.update(of_pod)
            if of_container.is_go:
                if len(containers) == 1:
                    next(iter(containers.values())).adopt(of_container)
                else:
                    self.miss("no-container")

    def _workload(self, pod: Pod) -> Owner:
        """Kind and name of who owns a pod; the kind is empty if the name alone tells."""
        owner = self._owners.get(pod)
        if owner is None:
            return self._kinds.get((pod[0], pod[1], name_workload(pod[2])), ""), name_workload(pod[2])
        return self._above(pod, owner)

    def _above(self, pod: Pod, owner: Owner) -> Owner:
        kind, name = owner
        upper = self._uppers.get((*pod[:2], kind, name))
        if upper is not None:
            return upper
        if kind == "ReplicaSet" and not self._uppers and name_workload(pod[2]) != name:
            return "Deployment", name_workload(pod[2])
        return owner

    def rows(self) -> Joined:
        """The end of it."""
        self._kinds = {(*pod[:2], above[1]): above[0] for pod, owner in self._owners.items() for above in (self._above(pod, owner),)}
        kills = {
            (self._cluster(labels), labels.get("namespace", ""), labels.get("workload", "")): value
            for labels, value in self._samples("cgtune_kills")
        }
        grouped: dict[Key, list[tuple[Pod, Replica]]] = {}
        for pod, containers in self._pods.items():
            kind, name = self._workload(pod)
            for container, replica in containers.items():
                key = Key(cluster=pod[0], namespace=pod[1], kind=kind, name=name, container=container)
                grouped.setdefault(key, []).append((pod, replica))
        rows = []
        for key, pods in grouped.items():
            if not any(replica.is_go for _, replica in pods):
                continue
            # A pod that is done, as a Job's, stays there without a program
            now = [replica for pod, replica in pods if replica.is_running and (pod in self._now or pod not in self._owners)]
            now = now or [replica for _, replica in pods if replica.is_go]
            if self._tells_owners:
                self.miss("no-owner", sum(pod not in self._owners for pod, replica in pods if replica.is_go))
            killed = kills.get((key.cluster, key.namespace, key.name))
            measured = measure(now, [replica for _, replica in pods], killed, has_states=self._answers.keys() >= _STATES)
            is_unused = measured.cpu_used.most is None and measured.memory_used.most is None
            self.miss("no-use", int(is_unused and not self._is_unnamed))
            known = (measured.cpu_limit_cores, measured.memory_limit_bytes)
            self.miss("no-limits", int(known == (None, None) and not (measured.is_cpu_unlimited or measured.is_memory_unlimited)))
            self.miss("unlooked", int("cgtune" not in measured.sources))
            rows.append((key, measured))
        return Joined(
            rows=tuple(sorted(rows, key=lambda row: row[0].items())),
            not_joined=tuple(gap(code, count, job=job) for (code, job), count in self._gaps.items() if count),
        )
