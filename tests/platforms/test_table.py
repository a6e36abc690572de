"""The platforms that are known: what tells each of them, and which of their variables are believed."""

from __future__ import annotations

import json

import pytest

from cgtune.model import Platform
from cgtune.outputs.json import render_json
from cgtune.platforms.table import Clues, tell_platforms
from tests.support import stories

_ID, _OTHER = "a1" * 32, "b2" * 32
_MIB = 1 << 20


def _told(path: str = "/", **variables: str) -> tuple[Platform, ...]:
    return tell_platforms(Clues(variables=tuple(variables.items()), paths=(path,)))


@pytest.mark.parametrize(
    ("path", "variables", "names"),
    [
        ("/", {}, []),
        ("/system.slice/app.service", {"HOME": "/"}, []),
        ("/", {"ECS_CONTAINER_METADATA_URI": "x"}, ["Amazon ECS"]),
        (f"/ecs/{_ID[:32]}/{_ID}", {}, ["Amazon ECS"]),
        (f"/ecstasks.slice/ecstasks-{_ID[:32]}.slice/docker-{_ID}.scope", {}, ["Amazon ECS"]),
        ("/", {"AWS_LAMBDA_FUNCTION_NAME": "f"}, ["AWS Lambda"]),
        ("/nomad.slice/share.slice/a.web.scope", {}, ["Nomad"]),
        ("/", {"NOMAD_ALLOC_ID": "x"}, ["Nomad"]),
        ("/", {"K_SERVICE": "x"}, ["Google Cloud Run"]),
        ("/", {"CLOUD_RUN_JOB": "x"}, ["Google Cloud Run"]),
        ("/", {"K_SERVICE": "x", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, []),  # Knative in a cluster of one's own
        ("/", {"GAE_INSTANCE": "x", "GAE_ENV": "standard"}, ["App Engine standard"]),
        ("/", {"GAE_INSTANCE": "x"}, ["App Engine flexible"]),
        ("/system.slice/slurmstepd.scope/job_7/step_0/user/task_0", {}, ["Slurm"]),
        ("/slurm/uid_1000/job_7/step_0", {"SLURM_JOB_ID": "7"}, ["Slurm"]),
        (f"/docker/{_ID}/docker/{_OTHER}", {}, ["nested cgroup"]),
        (f"/docker/{_ID}", {}, []),
        (f"/kubepods.slice/kubepods-pod{'0123abcd_' * 8}.slice/cri-containerd-{_ID}.scope", {}, []),
        (f"/kubepods.slice/cri-containerd-{_ID}.scope/docker/{_OTHER}", {}, ["nested cgroup"]),
        (f"/docker/{_ID}/docker/{_OTHER}", {"SLURM_JOB_ID": "7"}, ["Slurm", "nested cgroup"]),
    ],
)
def test_what_tells_a_platform(path: str, variables: dict[str, str], names: list[str]) -> None:
    """Documented variables, and the names that each gives its cgroups; several may hold at once."""
    assert [platform.name for platform in _told(path, **variables)] == names


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}, [("memory", 1769 * _MIB, "bytes")]),
        ({"NOMAD_ALLOC_ID": "x", "NOMAD_MEMORY_LIMIT": "300", "NOMAD_CPU_LIMIT": "500"},
         [("memory", 300 * _MIB, "bytes"), ("cpu", 500, "MHz")]),
        ({"NOMAD_ALLOC_ID": "x", "NOMAD_MEMORY_LIMIT": "300", "NOMAD_MEMORY_MAX_LIMIT": "600"}, [("memory", 600 * _MIB, "bytes")]),
        ({"NOMAD_ALLOC_ID": "x", "NOMAD_CPU_CORES": "0-2,7,12-14"}, [("cpu", 7, "cores")]),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "16"}, [("cpu", 16, "cores")]),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "16", "SLURM_CPUS_PER_TASK": "4"}, [("cpu", 4, "cores")]),
        *(
            ({"NOMAD_ALLOC_ID": "x", "NOMAD_MEMORY_LIMIT": "300", "NOMAD_MEMORY_MAX_LIMIT": text}, [("memory", 300 * _MIB, "bytes")])
            for text in ("", "0", "-1", "abc", "9" * 11)
        ),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "16", "SLURM_CPUS_PER_TASK": "abc"}, [("cpu", 16, "cores")]),
        ({"GAE_INSTANCE": "x", "GAE_MEMORY_MB": "614"}, [("memory", 614 * _MIB, "bytes")]),
        *(({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": text}, []) for text in ("", "0", "-1", "1.5", "512MB", "\N{SUPERSCRIPT TWO}", "9" * 5000)),
        *(({"NOMAD_ALLOC_ID": "x", "NOMAD_CPU_CORES": text}, []) for text in ("", "a", "3-", "0-99999999999")),
    ],
)  # fmt: skip
def test_what_variables_say(variables: dict[str, str], said: list[tuple[str, float, str]]) -> None:
    """Plain numbers within bounds; anything else says nothing. None of it is a cap."""
    [platform] = _told(**variables)
    assert [(one.resource, one.value, one.unit) for one in platform.said] == said
    assert not any(one.is_cap for one in platform.said)


def test_whose_cpus_slurm_says() -> None:
    """SLURM_CPUS_PER_TASK is that of one of a job's tasks; all else is the job's on this node."""
    said = [(one.of, one.value) for one in _told(SLURM_JOB_ID="7", SLURM_CPUS_PER_TASK="4", SLURM_MEM_PER_NODE="1")[0].said]
    assert said == [("job", _MIB), ("task", 4)]
    assert [one.of for one in _told(SLURM_JOB_ID="7", SLURM_CPUS_ON_NODE="16")[0].said] == ["job"]


def test_how_it_was_told_is_bounded() -> None:
    """A path of thousands of characters tells several platforms: a report has both ends of it, as of each level's path."""
    platforms = _told("/ecs/nomad/slurm/" + "x" * 4000 + f"/{_ID}/{_OTHER}")
    report = stories.report("ecs-task-hidden-limit")
    [process] = report.processes
    process = process.replace(snapshot=process.snapshot.replace(platforms=platforms))
    [content] = json.loads(render_json(report.replace(processes=(process,))))["processes"]
    assert {max(map(len, platform["told_by"])) for platform in content["platforms"]} == {1024 + len("...")}


def test_the_kinds_of_nesting() -> None:
    """A cgroup below the container's own, and one that may make others."""
    nested, writable = tell_platforms(Clues(variables=(), paths=("/init",), below="/init", writable="/sys/fs/cgroup"))
    assert (nested.name, nested.told_by) == ("nested cgroup", ("cgroup: /init",))
    assert (writable.name, writable.told_by) == ("writable cgroups", ("/proc/PID/mountinfo: /sys/fs/cgroup is mounted rw",))
