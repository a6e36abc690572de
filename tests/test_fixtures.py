"""Every story through the whole tool: the report is expected.json's, holds to the schema, and says what a person wrote down."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import jsonschema
import pytest

from cgtune import __version__
from cgtune.runtimes.go.derived.versions import CHECKED
from tests.support import inside, stories
from tests.support.command import ROOT

SCHEMA: dict[str, Any] = json.loads((ROOT / "cgtune/schemas/report-v1.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

MIB, GIB = 1 << 20, 1 << 30

# What each story claims, written by hand and never generated: cores and who binds them, usable CPUs, bytes and who binds them. The paths
# are patterns, ids being long; None is "nothing limits". MORE has what a story says beside that.
CLAIMS: dict[str, tuple[float | None, str | None, int, int | None, str | None]] = {
    "app-engine-flexible": (None, None, 8, None, None),
    "cloud-run-first-generation": (0.5, "/", 2, 512 * MIB, "/"),
    "dind-inner-container": (2, "/", 8, 2 * GIB, "/"),
    "dind-unlimited-leaf": (1, "/", 8, GIB, "/"),
    "ecs-task-hidden-limit": (0.5, "ECS task 158d*", 8, GIB, "ECS task 158d*"),
    "firecracker-guest": (None, None, 8, None, None),
    "hybrid-bench-awkward-name": (0.7, "/*/a b:c\\d (deleted)", 8, None, None),
    "hybrid-bench-chain-of-three": (1, "/*/kubepods.slice/kubepods-pod1.slice/app.scope", 8, 256 * MIB, "/*/app.scope"),
    "hybrid-cpu-on-v1": (0.6, "/system.slice/app.service", 8, 384 * MIB, "/system.slice/app.service"),
    "hybrid-memory-on-v2": (3, "/app", 6, 320 * MIB, "/app"),
    "k8s-burstable-cgroupfs": (
        1.75,
        "/kubepods/burstable/pod????????-*-????????????",
        8,
        1536 * MIB,
        "/kubepods/burstable/pod????????-*-????????????",
    ),
    "k8s-burstable-systemd": (
        0.5,
        "/kubepods.slice/*/*-pod*.slice/cri-containerd-*.scope",
        8,
        512 * MIB,
        "/kubepods.slice/*/*-pod*.slice/cri-containerd-*.scope",
    ),
    "k8s-mismatched-drivers": (
        1.2,
        "/system.slice/containerd.service/kubelet-*.slice:cri-containerd:*",
        8,
        200 * MIB,
        "/system.slice/*:cri-containerd:*",
    ),
    "k8s-oom-group-kill": (None, None, 8, 96 * MIB, "/kubepods.slice/kubepods-pod*.slice/cri-containerd-*.scope"),
    "k8s-node-capacity": (1.75, "/kubepods/burstable/pod????????-*-????????????", 8, None, None),
    "k8s-writable-cgroups": (0.5, "/", 8, 512 * MIB, "/"),
    "k8s-static-cpus": (None, None, 3, 4 * GIB, "/"),
    "kata-guest": (None, None, 8, None, None),
    "kernel-thread": (None, None, 8, None, None),
    "lambda-memory-said": (None, None, 8, None, None),
    "no-cgroup": (None, None, 4, None, None),
    "no-cgroup-mount": (None, None, 8, None, None),
    "nomad-cores-said": (None, None, 8, GIB, "/"),
    "slurm-step-unconstrained": (None, None, 8, None, None),
    "node-agent-by-inode": (
        3.5,
        "/kubepods.slice/kubepods-burstable.slice/cri-containerd-*.scope",
        8,
        700 * MIB,
        "/kubepods.slice/*.slice/cri-*.scope",
    ),
    "node-agent-not-found": (None, None, 8, None, None),
    "podman-crun": (0.5, "/machine.slice/libpod-*.scope", 8, 256 * MIB, "/machine.slice/libpod-*.scope"),
    "podman-quadlet-payload": (2, "/system.slice/web.service", 8, 400 * MIB, "/system.slice/web.service"),
    "rhel7-cpuacct-cpu": (2, "/system.slice/docker-*.scope", 4, GIB, "/system.slice/docker-*.scope"),
    "rootless-without-delegation": (None, None, 8, 256 * MIB, "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-*.scope"),
    "systemd-slice-allowed-cpus": (1.5, "/batch.slice/job.service", 4, 3 * GIB, "/batch.slice/job.service"),
    "v1-64k-pages": (None, None, 8, None, None),
    "v1-bench-chain-of-three": (1, "/*/kubepods.slice/kubepods-pod1.slice/app.scope", 8, 256 * MIB, "/*/app.scope"),
    "v1-bench-controllers-apart": (1.2, "/*/for-cpu", 8, 48 * MIB, "/*/for-memory"),
    "v1-bench-private-namespace": (None, None, 8, None, None),
    "v1-bench-subtree-mount": (0.5, "/*/docker/0123456789abcdef*", 8, 256 * MIB, "/*/docker/0123456789abcdef*"),
    "v1-bench-throttled-and-killed": (2, "/*/app", 8, 24 * MIB, "/*/app"),
    "v1-burst-and-idle": (0.5, "/batch", 8, 256 * MIB, "/app"),
    "v1-co-mounted": (1.5, "/app", 8, 768 * MIB, "/app"),
    "v1-cpu-alone": (1.5, "/limited", 2, 96 * MIB, "/heap"),
    "v1-docker-mount-root": (0.5, "/docker/????????????????????????????????????????????????????????????????", 4, 256 * MIB, "/docker/*"),
    "v1-hidden-ancestor": (2, "/kubepods/pod*/*", 8, 700 * MIB, None),
    "v1-no-cpu-bandwidth": (None, None, 4, 512 * MIB, "/docker/1e0906b2cf6c*"),
    "v1-status-without-affinity": (0.5, "/", 2, 512 * MIB, "/"),
    "v1-locked-file-pages": (None, None, 8, 256 * MIB, "/app"),
    "v1-swap-accounting": (None, None, 8, 256 * MIB, "/app"),
    "v1-use-hierarchy-0": (1, "/parent", 8, 512 * MIB, "/parent/app"),
    "v2-affinity-and-offline-cpus": (5, "/app", 2, None, None),
    "v2-ancestor-tighter": (1, "/pod", 8, 512 * MIB, "/pod"),
    "v2-awkward-names": (0.7, "/a b:c\\d", 8, 80 * MIB, "/a b:c\\d/0::(x) é"),
    "v2-bench-awkward-name": (0.7, "/*/a b:c\\d (deleted)", 8, None, None),
    "v2-bench-chain-of-three": (1.5, "/*/kubepods.slice/kubepods-pod1.slice", 8, 256 * MIB, "/*/app.scope"),
    "v2-bench-controller-not-lent": (2.5, "/*/parent", 8, None, None),
    "v2-bench-cpuset-and-affinity": (None, None, 2, None, None),
    "v2-bench-high-and-swap": (None, None, 8, 256 * MIB, "/*/app"),
    "v2-bench-private-namespace": (3, "/", 8, None, None),
    "v2-bench-stale-mount": (1, "/*/pod", 8, None, None),
    "v2-bench-swapped-out": (None, None, 8, 256 * MIB, "/*/app"),
    "v2-bench-throttled-and-killed": (2, "/*/app", 8, 24 * MIB, "/*/app"),
    "v2-bench-unlimited-leaf": (1, "/*/parent", 8, 128 * MIB, "/*/parent"),
    "v2-burst": (1, "/batch/app", 8, None, None),
    "v2-container-from-host": (2.5, "/system.slice/docker-*.scope", 8, 512 * MIB, "/system.slice/docker-*.scope"),
    "v2-controller-not-enabled": (2.5, "/batch", 8, 2 * GIB, "/batch"),
    "v2-deleted-cgroup": (4, "/app.slice", 8, 2 * GIB, "/app.slice"),
    "v2-locked-file-pages": (None, None, 8, 256 * MIB, "/app"),
    "v2-memory-high-below-max": (2, "/", 8, 512 * MIB, "/"),
    "v2-no-memory-controller": (1.5, "/system.slice/docker-1e0906b2cf6c*.scope", 4, None, None),
    "v2-octal-escapes": (2.2, "/a b\\c\\x09d", 8, 123 * MIB, "/a b\\c\\x09d"),
    "v2-other-users-process": (4, "/system.slice/db.service", 8, 6 * GIB, "/system.slice/db.service"),
    "v2-page-cache": (None, None, 8, 256 * MIB, "/app"),
    "v2-plain": (None, None, 8, None, None),
    "v2-private-namespace": (2.5, "/", 8, 512 * MIB, "/"),
    "v2-proc-subset-pid": (None, None, 8, None, None),
    "v2-several-mounts": (2.5, "/docker", 8, 900 * MIB, "/docker"),
    "v2-sibling-container": (1.5, "/../cri-containerd-*.scope", 8, 300 * MIB, "/../cri-containerd-*.scope"),
}

MORE: dict[str, dict[str, object]] = {
    "app-engine-flexible": {"platforms.0.name": "App Engine flexible", "platforms.0.said.0.value": 614 * MIB},
    "cloud-run-first-generation": {"platforms.0.name": "Google Cloud Run", "platforms.1.name": "gVisor", "platforms.1.is_machine": True},
    "dind-inner-container": {"platforms.0.name": "nested cgroup", "platforms.0.told_by.0": "cgroup: /docker/2543*"},
    "ecs-task-hidden-limit": {
        "platforms.0.name": "Amazon ECS",
        "platforms.0.said.0.source": "http://169.254.170.2/v4/*/task",
        "platforms.0.said.0.is_cap": True,
        "platforms.0.said.2.unit": "units",
        "enforced.cpu.chain.0.limit_cores": None,
        "enforced.cpu.chain.0.requests.1.most_millicores": 49,
        "enforced.cpu.chain.1.said_by": "Amazon ECS",
        "enforced.memory.limit_from": "http://169.254.170.2/v4/*/task: Limits.Memory",
    },
    "firecracker-guest": {"platforms.0.name": "Firecracker"},
    "k8s-writable-cgroups": {"platforms.0.name": "writable cgroups"},
    "kata-guest": {"platforms.0.name": "Kata Containers"},
    "lambda-memory-said": {"platforms.0.name": "AWS Lambda", "platforms.0.said.0.value": 512 * MIB, "platforms.0.said.0.is_cap": False},
    "nomad-cores-said": {
        "platforms.0.name": "Nomad",
        "platforms.0.said.0.value": GIB,
        "platforms.0.said.1.value": 2,
        "platforms.0.said.2.unit": "MHz",
    },
    "slurm-step-unconstrained": {"platforms.0.name": "Slurm", "platforms.0.said.0.value": 8 * GIB, "platforms.0.said.1.value": 4},
    "dind-unlimited-leaf": {
        "platforms.0.told_by.0": "cgroup: /init",
        "enforced.cpu.chain.0.path": "/init",
        "usage.cpu.throttled_periods": 450,
        "container.runtime": "docker",
    },
    "hybrid-cpu-on-v1": {"machine.cgroup_mode": "hybrid", "usage.cpu.pressure.scope": "cgroup", "usage.cpu.throttled_seconds": 0.09},
    "hybrid-memory-on-v2": {"enforced.memory.chain.0.version": 2, "enforced.cpu.chain.0.version": 1, "enforced.cpu.usable": "0-5"},
    "k8s-burstable-cgroupfs": {"container.pod_uid": "015f7e6b-c5ae-4f48-a724-089e9252cc13", "enforced.memory.chain.0.limit_bytes": None},
    "k8s-burstable-systemd": {
        "container.pod_uid": "6ab9f1eb-8f7d-4388-a4f9-d586f66e99fd",
        "container.runtime": "containerd",
        "usage.memory.oom_kills": 1,
        "enforced.cpu.chain.1.limit_cores": 0.8,
    },
    "k8s-mismatched-drivers": {"container.pod_uid": "94091dd6-4a21-4fe9-a214-bc6d17deeb43", "container.runtime": "containerd"},
    "k8s-node-capacity": {
        "container.runtime": "containerd",
        "container.name": "app",
        "container.pod_name": "shop-7d9c5b8f6d-x2k4q",
        "container.pod_namespace": "prod",
        "enforced.memory.node_limit_bytes": 16280952 << 10,
        "enforced.memory.node_limit_from": "/sys/fs/cgroup/memory/kubepods/memory.limit_in_bytes",
    },
    "k8s-static-cpus": {
        "enforced.cpu.usable": "4-6",
        "enforced.cpu.chain.0.quota_us": None,
        "container.runtime": "cri-o",
        "container.id": None,
    },
    "k8s-oom-group-kill": {
        "usage.memory.oom_kills": 0,
        "usage.memory.oom_group_kills": 0,
        "enforced.memory.chain.1.events": {"high": 0, "max": 301, "oom": 1, "oom_kill": 2, "oom_group_kill": 1},
        "enforced.memory.chain.1.events_local.oom_kill": 0,
        "findings.0.rule": "oom-killed",
        "findings.0.summary": "OOM kills: the kernel counts 2 in the cgroup"
        " /kubepods.slice/kubepods-pod1c1a1b2d_0c2f_4a5e_9d3b_7f60718293a4.slice above it, or below that, since that was made,"
        " 1 of a whole group, whose first victim counts twice",
    },
    "kernel-thread": {"executable": None, "command": "rcu_preempt", "machine.cgroup_mode": "v2"},
    "no-cgroup": {"machine.cgroup_mode": "none", "enforced.cpu.chain": [], "notes": [], "usage.cpu.pressure": None},
    "no-cgroup-mount": {"machine.cgroup_mode": "none", "enforced.memory.chain": []},
    "node-agent-by-inode": {"enforced.cpu.chain.3.path": "/", "enforced.cpu.chain.1.limit_cores": 6.0, "notes": []},
    "podman-crun": {"container.runtime": "podman", "enforced.memory.swap_bytes": 256 * MIB, "enforced.cpu.chain.0.limit_cores": None},
    "podman-quadlet-payload": {"container.runtime": "podman", "container.id": "1e0906b2cf6c*"},
    "rhel7-cpuacct-cpu": {"usage.memory.oom_kills": None, "usage.cpu.pressure": None, "container.runtime": "docker"},
    "rootless-without-delegation": {"enforced.cpu.chain.0.period_us": None, "container.runtime": "podman"},
    "systemd-slice-allowed-cpus": {"enforced.cpu.usable": "0-3", "enforced.cpu.chain.1.cpus": "0-3"},
    "v1-64k-pages": {"machine.page_bytes": 65536, "enforced.memory.swap_bytes": None},
    "v1-burst-and-idle": {
        "enforced.cpu.burst_us": 25_000,
        "enforced.cpu.chain.0.idle": True,
        "enforced.cpu.chain.0.shares": 3,
        "usage.cpu.bursts": 8,
        "usage.cpu.burst_seconds": 0.18,
    },
    "v1-co-mounted": {"usage.cpu.throttled_seconds": 4.5, "enforced.cpu.chain.0.shares": 1024},
    "v1-docker-mount-root": {"container.runtime": "docker", "usage.memory.oom_kills": 2, "enforced.cpu.usable": "0-3"},
    "v1-hidden-ancestor": {"enforced.memory.limit_from": "/sys/fs/cgroup/memory/memory.stat"},
    "v1-locked-file-pages": {
        "usage.memory.used_bytes": 153_583_616 - 286_720 - 1_298_432,
        "usage.memory.reclaimable_bytes": 286_720 + 1_298_432,
        "enforced.memory.chain.0.parts.unevictable_bytes": 145_752_064,
        "enforced.memory.chain.0.parts.kernel_bytes": 4_493_312,
        "enforced.memory.memsw_bytes": 256 * MIB,
    },
    "v1-swap-accounting": {"enforced.memory.swap_bytes": 384 * MIB, "enforced.memory.chain.0.memsw_bytes": 640 * MIB},
    "v2-affinity-and-offline-cpus": {"enforced.cpu.usable": "1,4", "machine.online_cpus": 6, "enforced.cpu.affinity": "1,4,7"},
    "v2-ancestor-tighter": {"usage.cpu.throttled_in": "/pod", "usage.cpu.throttled_periods": 45},
    "v2-awkward-names": {"command": "a) S 1\\x0a(b"},
    "v2-burst": {
        "enforced.cpu.burst_us": 100_000,
        "enforced.cpu.chain.0.idle": False,
        "enforced.cpu.chain.1.idle": True,
        "usage.cpu.bursts": 12,
        "usage.cpu.burst_seconds": 0.9,
    },
    "v2-locked-file-pages": {
        "usage.memory.used_bytes": 153_583_616 - 286_720 - 1_298_432,
        "enforced.memory.chain.0.parts.anonymous_bytes": 1_753_088,
        "enforced.memory.chain.0.parts.unevictable_bytes": 145_752_064,
    },
    "v2-page-cache": {
        "usage.memory.current_bytes": 266_557_440,
        "usage.memory.used_bytes": 266_557_440 - 263_151_616 - 1_302_528 - 524_288,
        "usage.memory.reclaimable_bytes": 263_151_616 + 1_302_528 + 524_288,
    },
    "v2-bench-high-and-swap": {"enforced.memory.high_bytes": 192 * MIB, "enforced.memory.swap_bytes": 0},
    "v2-bench-swapped-out": {
        "enforced.memory.high_bytes": 24 * MIB,
        "findings.0.rule": "gomemlimit-exceeds-high",
        "findings.1.rule": "swap-hides-pressure",
        "findings.1.evidence.0": "/sys/fs/cgroup/*/app/memory.swap.current: 3??????? bytes",
        "settings.GOMEMLIMIT.observed": 200 * MIB,
    },
    "v2-bench-cpuset-and-affinity": {"enforced.cpu.usable": "4-5", "enforced.cpu.affinity": "4-5"},
    "v2-container-from-host": {"self": False, "enforced.cpu.chain.2.path": "/", "notes": [], "container.runtime": "docker"},
    "v2-memory-high-below-max": {"enforced.memory.high_bytes": 483180544, "enforced.memory.high_bound_by": "/"},
    "v2-private-namespace": {
        "container.runtime": "docker",
        "usage.cpu.pressure.some.avg10_percent": 12.5,
        "usage.cpu.throttled_seconds": 17.5,
    },
    "v1-status-without-affinity": {"enforced.cpu.affinity": "0-1"},
    "v2-proc-subset-pid": {"machine.memory_bytes": None, "machine.kernel": None, "start_time": None},
    "v2-several-mounts": {"enforced.cpu.chain.0.directory": "/host/cgroup/docker/" + 64 * "?"},
    "v2-sibling-container": {
        "enforced.memory.limit_from": "/proc/42/root/sys/fs/cgroup/memory.max",
        "usage.memory.current_bytes": 222 * MIB,
    },
}

# Words of a note that a story is about; a story that is not named here may have any.
NOTES: dict[str, tuple[str, str]] = {
    "no-cgroup-mount": ("/proc/1/cgroup", "not below any cgroup mount"),
    "node-agent-not-found": ("/proc/4242/cgroup", "could not be found by inode"),
    "v1-docker-mount-root": ("/sys/fs/cgroup/cpu,cpuacct", "cannot be seen from here"),
    "v1-hidden-ancestor": ("/sys/fs/cgroup/memory/memory.stat", "734003200 is tighter"),
    "v1-no-cpu-bandwidth": ("/sys/fs/cgroup/cpu,cpuacct/docker/*/cpu.cfs_quota_us", "no CPU bandwidth control"),
    "v1-status-without-affinity": ("/proc/1/status", "taken to be all CPUs that are online"),
    "v2-no-memory-controller": ("/sys/fs/cgroup/cgroup.controllers", "no memory controller"),
    "v2-proc-subset-pid": ("/proc/meminfo", "how much memory the machine has is not known"),
    "v2-deleted-cgroup": ("/sys/fs/cgroup/app.slice/old.service (deleted)", "does not exist here"),
    "v2-other-users-process": ("/proc/4242/exe", "permission denied"),
    "v2-private-namespace": ("/sys/fs/cgroup", "cannot be seen from here"),
}

NAMES = stories.names()


def test_there_are_stories_of_every_kind() -> None:
    """At least twenty stories, each with a claim written by a person; no claim without its story."""
    assert len(NAMES) >= 20
    assert set(NAMES) - set(CLAIMS) == set()
    assert {name for name in CLAIMS if "-bench-" not in name} - set(NAMES) == set()
    assert (set(MORE) | set(NOTES)) - set(CLAIMS) == set()


@pytest.mark.parametrize("name", NAMES)
def test_the_report_is_the_expected_one(name: str) -> None:
    """The command line's JSON is expected.json's report, key by key, and holds to the schema."""
    expected = stories.read_expected(name)
    report = inside.parse_report(stories.inspect(name))
    assert (report.pop("cgtune"), report.pop("go_checked")[-1]) == (__version__, CHECKED[-1])
    assert report == expected["report"]
    assert expected["story"].endswith(".")
    assert expected["recorded"] is None or expected["recorded"]["kernel"] == report["machine"]["kernel"]


@pytest.mark.parametrize("name", NAMES)
def test_the_report_holds_to_the_schema(name: str) -> None:
    """The JSON Schema that users are given describes every story's report."""
    VALIDATOR.validate(inside.parse_report(stories.inspect(name)))


@pytest.mark.parametrize("name", NAMES)
def test_the_story_is_true(name: str) -> None:
    """The numbers that a person wrote down for this story, and the groups that say so."""
    report = inside.parse_report(stories.inspect(name))
    (process,) = report["processes"]
    cpu, memory = process["enforced"]["cpu"], process["enforced"]["memory"]
    cores, cpu_by, usable, size, memory_by = CLAIMS[name]
    assert (cpu["limit_cores"], cpu["usable_cpus"], memory["limit_bytes"]) == (cores, usable, size)
    assert _fits(cpu["bound_by"], cpu_by)
    assert _fits(memory["bound_by"], memory_by)
    for path, value in MORE.get(name, {}).items():
        assert _fits(_at(report if path.startswith("machine") else process, path), value), path
    if name in NOTES:
        where, words = NOTES[name]
        assert [note for note in process["notes"] if fnmatchcase(note["path"], where) and words in note["why"]]


@pytest.mark.parametrize("name", NAMES)
def test_the_table_tells_the_same_story(name: str) -> None:
    """The table names the limits that the JSON has, carries no control character, and is the same each time."""
    done = stories.inspect(name, format_="table")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(line.isprintable() for line in done.stdout.splitlines())
    cores, _, usable, size, _ = CLAIMS[name]
    count = min(cores, usable) if cores is not None else usable
    noun = "CPU" if count == 1 else "CPUs"
    assert f"{count:g} {noun}" + (f" of {usable} usable" if cores is not None else ", ") in done.stdout
    none = "is the node's limit" if "enforced.memory.node_limit_bytes" in MORE.get(name, {}) else "no limit in any"
    assert (f"{size} bytes, says" if size is not None else none if "no memory" not in done.stdout else "") in done.stdout
    assert stories.inspect(name, format_="table", root=stories.STORIES / name) == done


def test_same_input_same_bytes() -> None:
    """Two runs over one story print the same bytes."""
    name = "k8s-burstable-systemd"
    assert stories.inspect(name, root=stories.STORIES / name) == stories.inspect(name)


def test_several_processes_come_in_the_order_asked_for() -> None:
    """--pid may repeat; a pid named twice is reported once; cgtune's own process is marked, and only it."""
    done = inside.run(
        "inspect", "--root", stories.STORIES / "v2-sibling-container", "--format", "json", "--pid", 77, "--pid", 42, "--pid", 77
    )
    report = inside.parse_report(done)
    assert [(process["pid"], process["self"]) for process in report["processes"]] == [(77, True), (42, False)]
    own = inside.parse_report(inside.run("inspect", "--root", stories.STORIES / "v2-sibling-container", "--format", "json", "--self"))
    assert [process["pid"] for process in own["processes"]] == [77]


def test_the_schema_is_one_and_refuses() -> None:
    """The schema is a valid one, all of its keys are described, and a report that lacks any contract key is refused."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    report = inside.parse_report(stories.inspect("k8s-burstable-systemd"))
    for path in _required("", SCHEMA):
        broken = json.loads(json.dumps(report))
        holder, _, key = path.rpartition(".")
        del _at(broken, holder)[key]
        assert not VALIDATOR.is_valid(broken), path


def _required(path: str, schema: dict[str, Any]) -> list[str]:
    """The contract's keys, as paths into a report of one process that is no Go program."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    found = [f"{path}.{key}".lstrip(".") for key in schema.get("required", [])]
    for key, below in schema.get("properties", {}).items():
        if key not in ("findings", "notes", "settings", "remembered_kills", "platforms", "requests"):
            inner = below.get("items")
            found += _required(f"{path}.{key}.0" if inner else f"{path}.{key}", inner or below)
    return found


def _at(value: Any, path: str) -> Any:
    for key in path.split(".") if path else ():
        value = value[int(key) if isinstance(value, list) else key]
    return value


def _fits(value: object, claim: object) -> bool:
    """Equal; two texts: the claim may be a pattern."""
    if isinstance(value, str) and isinstance(claim, str):
        return fnmatchcase(value, claim)
    return value == claim
