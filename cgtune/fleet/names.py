"""The names of the series that a fleet's report is made of, by what they tell. Of two names the first is believed first. Pure."""

from __future__ import annotations

CGTUNE = (
    *("cgtune_go_info", "cgtune_gomaxprocs_observed", "cgtune_gomemlimit_observed_bytes", "cgtune_gogc_observed_percent"),
    *("cgtune_cpu_limit_cores", "cgtune_memory_limit_bytes", "cgtune_cpu_usable_cpus"),
)
CLIENT_GOLANG = ("go_info", "go_sched_gomaxprocs_threads", "go_gc_gomemlimit_bytes", "go_gc_gogc_percent")
OTEL_SETTINGS = ("go_processor_limit", "go_memory_limit_bytes")
RESOURCES = ("kube_pod_container_resource_limits", "kube_pod_container_resource_requests")
POD_RESOURCES = ("kube_pod_resource_limit", "kube_pod_resource_request")
SPEC_SHARES = "container_spec_cpu_shares"
ENFORCED = ("container_spec_cpu_quota", "container_spec_cpu_period", SPEC_SHARES, "container_spec_memory_limit_bytes")
OWNERS = ("kube_pod_owner", "kube_replicaset_owner", "kube_job_owner")
NODES = ("kube_pod_info", "kube_node_status_capacity")
STATES = ("kube_pod_container_status_restarts_total", "kube_pod_container_status_last_terminated_reason")
CPU = ("container_cpu_usage_seconds_total", "cgtune_cgroup_cpu_seconds_total")
MEMORY = ("container_memory_working_set_bytes", "cgtune_memory_used_bytes")
THROTTLED = ("container_cpu_cfs_throttled_periods_total", "cgtune_cpu_throttled_periods_total")
PERIODS = ("container_cpu_cfs_periods_total", "cgtune_cpu_periods_total")
LIVE_HEAP = ("cgtune_go_heap_live_bytes", "go_gc_heap_live_bytes")
GC_SECONDS = ("cgtune_go_gc_cpu_seconds_total", "go_cpu_classes_gc_total_cpu_seconds_total")
GO_SECONDS = ("cgtune_go_cpu_seconds_total", "go_cpu_classes_total_cpu_seconds_total")
RECORDED_CPU, RECORDED_MEMORY = "cgtune_fleet:cpu_cores:rate5m", "cgtune_fleet:memory_bytes:max5m"
RECORDED_THROTTLED = "cgtune_fleet:throttled_periods_per_periods:ratio_rate5m"
RECORDED_HEAP, RECORDED_GC = "cgtune_fleet:heap_live_bytes:max5m", "cgtune_fleet:gc_seconds_per_seconds:ratio_rate5m"
RECORDED_RESTARTS, RECORDED_OWNER = "cgtune_fleet:restarts:max", "cgtune_fleet:pod_owner:max"
#: What deploy/prometheus/cgtune-fleet.rules.yaml keeps, and which series each is made of.
RECORDED = {
    RECORDED_CPU: CPU[0],
    RECORDED_MEMORY: MEMORY[0],
    RECORDED_THROTTLED: THROTTLED[0],
    RECORDED_HEAP: LIVE_HEAP[1],
    RECORDED_GC: GC_SECONDS[1],
    RECORDED_RESTARTS: STATES[0],
    RECORDED_OWNER: OWNERS[0],
}
PROBED = (
    *(*CGTUNE, "cgtune_workload_oom_kills_total", *CLIENT_GOLANG, *OTEL_SETTINGS, "target_info", *RESOURCES, *POD_RESOURCES, *ENFORCED),
    *(*OWNERS, *NODES, *STATES, *CPU, *MEMORY, *THROTTLED, *PERIODS, *LIVE_HEAP, *GC_SECONDS, *GO_SECONDS, *RECORDED),
)
