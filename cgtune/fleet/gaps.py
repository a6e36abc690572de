"""What keeps series from being joined, and the line of configuration that mends it: one table for the report and the doctor. Pure."""

from __future__ import annotations

from cgtune.fleet.model import NotJoined

_KEEP = "kubelet.serviceMonitor.cAdvisorMetricRelabelings (kube-prometheus-stack): take {} out of the rules whose action is drop"
_RELABEL = "relabel_configs of job NAME: [{{source_labels: [{}], target_label: {}}}]"
_HONOR = "honor_labels: true (honorLabels of a ServiceMonitor or PodMonitor) for job NAME"
_GO_COLLECTOR = "prometheus.NewRegistry with collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics({}))"

_GAPS: dict[str, tuple[str, str]] = {
    "nothing-now": (
        "none of the series that are read has a sample of the last 5 minutes",
        "ask the server for up: if that is empty too, its scrapes or remote writes have stopped, or it is another server",
    ),
    "no-go": (
        "no series tells which containers run Go",
        "run cgtune serve on each node (deploy/kustomize/node-agent), or scrape the programs' own /metrics with a PodMonitor",
    ),
    "no-pod": (
        "Go programs of job NAME whose series have no pod label",
        _RELABEL.format("__meta_kubernetes_pod_name", "pod") + "; nothing, if they run in no pod, as kubelets do",
    ),
    "no-namespace": ("Go programs whose series have no namespace label", _RELABEL.format("__meta_kubernetes_namespace", "namespace")),
    "no-container": (
        "Go programs whose series have no container label, in a pod of several containers",
        _RELABEL.format("__meta_kubernetes_pod_container_name", "container"),
    ),
    "lacks-container": (
        "Go programs of job NAME whose series have no container label: they are joined if their pod has one container",
        _RELABEL.format("__meta_kubernetes_pod_container_name", "container"),
    ),
    "outside": ("processes outside of pods, which cgtune serve sees", "none is needed: cgtune serve has them on its own page"),
    "exported": (
        "series of job NAME that are not read: their pod is that of the exporter, and exported_pod is whom they are about",
        _HONOR,
    ),
    "impossible": (
        "values of NAME that no machine can have (NaN, infinite, below 0, too large): they are not read",
        "look at what exports NAME: who may push or be scraped may say anything",
    ),
    "otel-use": (
        "series of use with an OpenTelemetry collector's labels (k8s_pod_name), which are not read",
        "scrape /metrics/cadvisor of the kubelets, or rename k8s_{namespace,pod,container}_name to namespace, pod, container",
    ),
    "merged-settings": (
        "settings that cgtune serve adds up over a workload's processes, which tell of none of them",
        "--label-set container for cgtune serve",
    ),
    "no-owner": (
        "pods without kube_pod_owner: their workload is told from their name",
        "metricLabelsAllowlist aside, kube-state-metrics needs --resources=pods and no --metric-denylist for kube_pod_owner",
    ),
    "no-replicaset-owner": (
        "pods of ReplicaSets of which no kube_replicaset_owner tells the Deployment: it is told from their name",
        "--resources=pods,replicasets,jobs,nodes for kube-state-metrics",
    ),
    "no-cluster": (
        "series without a cluster label beside others that have one",
        "external_labels: {cluster: ...} in the Prometheus that sends them, or a relabelling that sets cluster for their job",
    ),
    "no-use": (
        "Go containers of which no series tells the use of CPU and memory",
        "scrape /metrics/cadvisor of the kubelet of their node (kubelet.serviceMonitor.cAdvisor: true)",
    ),
    "no-limits": (
        "Go containers of which no series tells the limits",
        "run kube-state-metrics with --resources=pods,replicasets,jobs,nodes",
    ),
    "unlooked": (
        (
            "Go containers without cgtune serve: not judged are GODEBUG, build flags, limits of cgroups above the pod, and nodes with"
            " cgroup v1 (Go 1.25 misses its quota there)"
        ),
        "run cgtune serve on each node (deploy/kustomize/node-agent)",
    ),
    "no-cadvisor": (
        "no container_cpu_usage_seconds_total: what containers use is not known",
        "scrape /metrics/cadvisor of the kubelets (kubelet.serviceMonitor.cAdvisor: true)",
    ),
    "cadvisor-unnamed": (
        "series of cadvisor's that have no container label: what containers use is not known",
        "keep the labels container, pod and namespace in metric_relabel_configs of the job that scrapes /metrics/cadvisor",
    ),
    "no-ksm": (
        "no kube-state-metrics: limits as written, owners, restarts and kills are not known",
        "run kube-state-metrics with --resources=pods,replicasets,jobs,nodes",
    ),
    "no-throttling": ("no series of throttling, though there are CPU limits", _KEEP.format("container_cpu_cfs_.*")),
    "no-enforced": (
        "no container_spec_* series: limits are those that are written, and a resized pod is not seen",
        _KEEP.format("container_spec_cpu_(quota|period|shares) and container_spec_memory_limit_bytes"),
    ),
    "no-pod-resources": (
        "no kube_pod_resource_limit: limits of whole pods (pod-level resources) are not seen",
        "scrape /metrics/resources of kube-scheduler",
    ),
    "no-restarts": (
        "no kube_pod_container_status_* series: restarts and kills are not known",
        "take kube_pod_container_status_restarts_total and kube_pod_container_status_last_terminated_reason out of --metric-denylist",
    ),
    "no-nodes": (
        "no kube_node_status_capacity or kube_pod_info: how many CPUs a node has is not known",
        "--resources=pods,replicasets,jobs,nodes for kube-state-metrics",
    ),
    "no-threads": (
        "Go programs that export no GOMAXPROCS and no GOMEMLIMIT",
        "github.com/prometheus/client_golang v1.20.0 or later in their go.mod, or cgtune serve on their node",
    ),
    "no-live-heap": ("no series of the live heap", _GO_COLLECTOR.format("collectors.MetricsGC") + ", or cgtune serve"),
    "no-gc-share": (
        "no series of the collector's share of CPU time",
        _GO_COLLECTOR.format('collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile("^/cpu/classes/")}') + ", or cgtune serve",
    ),
    "no-cgtune": (
        "no series of cgtune serve: what GODEBUG, build flags and the limits of cgroups above a pod do is not known",
        "run cgtune serve on each node (deploy/kustomize/node-agent)",
    ),
    "no-recorded": (
        "no recorded series that reach back to the begin of the window: the raw ones are read, at a higher price",
        "rule_files: [cgtune-fleet.rules.yaml] (deploy/prometheus)",
    ),
}


def gap(code: str, count: int, *, job: str = "") -> NotJoined:
    """One reason with its mend. ``count``: how many series, pods or containers it is about; 0: what is missing is there nowhere."""
    why, mend = _GAPS[code]
    return NotJoined(why=why.replace("NAME", job or "NAME"), count=count, mend=mend.replace("NAME", job or "NAME"))
