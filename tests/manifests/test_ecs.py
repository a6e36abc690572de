"""Task definitions of Amazon ECS: what each container may use and is given, with its place, in all three forms."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cgtune.manifests.around import Around
from cgtune.manifests.ecs import is_task, read_tasks
from cgtune.manifests.workload import Place, Workload
from cgtune.manifests.yamltext import Document, parse_documents

TASK = """\
{
  "family": "shop",
  "requiresCompatibilities": ["FARGATE"],
  "cpu": "1 vCPU",
  "memory": "2 GB",
  "containerDefinitions": [
    {
      "name": "web",
      "image": "registry.example.com/web:1",
      "cpu": 256,
      "memory": 512,
      "memoryReservation": 256,
      "entryPoint": ["/web"],
      "command": ["--port", "80"],
      "environment": [
        {"name": "GOMEMLIMIT", "value": "400MiB"},
        {"name": "GOGC", "value": 50},
        {"name": "GOMEMLIMIT", "value": "450MiB"}
      ],
      "secrets": [{"name": "GODEBUG", "valueFrom": "arn:x"}],
      "environmentFiles": [{"value": "arn:aws:s3:::bucket/app.env", "type": "s3"}],
      "linuxParameters": {"tmpfs": [{"containerPath": "/tmp", "size": 64}]},
      "dockerLabels": {"cgtune.dev/go": "1.24"}
    },
    {"name": "side", "image": "side:1"}
  ]
}
"""


def _document(text: str) -> Document:
    (document,) = parse_documents("task.json", text)
    assert isinstance(document, Document)
    return document


def _read(text: str) -> tuple[Workload, ...]:
    read = read_tasks(_document(text), Around())
    assert read.skipped == ()
    return read.workloads


def _spot(place: Place | None) -> str:
    assert place is not None
    before = TASK[: place.start]
    assert (place.line, place.column) == (before.count("\n") + 1, place.start - before.rfind("\n"))
    return TASK[place.start : place.end]


def test_the_facts_of_a_container() -> None:
    """The task's limits stand around the containers; a container's own CPU units are a share, and no limit."""
    web, side = _read(TASK)
    assert (web.kind, web.subject, web.container, web.role, web.pod_containers) == ("ecs", "TaskDefinition/shop", "web", "container", 2)
    assert (_spot(web.place), web.image, _spot(web.image_place)) == ('"web"', "registry.example.com/web:1", '"registry.example.com/web:1"')
    limits: list[Any] = [web.cpu_request, web.memory_limit, web.memory_request, web.pod_cpu_limit, web.pod_memory_limit]
    amounts = [(getattr(one, "cores", None) or getattr(one, "size_bytes", None), _spot(one.place)) for one in limits]
    assert amounts == [(0.25, "256"), (512 << 20, "512"), (256 << 20, "256"), (1.0, '"1 vCPU"'), (2 << 30, '"2 GB"')]
    assert [size.size_bytes for size in web.memory_volumes] == [64 << 20]
    assert (web.cpu_limit, web.command, web.flaws) == (None, ("/web", "--port", "80"), ())
    assert [(one.name, one.value) for one in web.annotations] == [("cgtune.dev/go", "1.24")]
    assert (side.memory_limit, side.pod_memory_limit, side.variables) == (None, web.pod_memory_limit, ())


def test_the_variables_of_a_container() -> None:
    """The last of two counts; numbers are no text; secrets and files in S3 are not known."""
    web = _read(TASK)[0]
    assert [(one.name, one.value, one.origin, one.unknown, one.wrong_type) for one in web.variables] == [
        ("GOGC", "50", "literal", None, "number"),
        ("GOMEMLIMIT", "450MiB", "literal", None, None),
        ("GODEBUG", None, "secret", "a secret", None),
    ]
    memory = web.variables[1]
    assert [_spot(one) for one in (memory.place, memory.name_place, *memory.hides)] == [
        '"450MiB"',
        '"GOMEMLIMIT"',
        '{"name": "GOMEMLIMIT", "value": "400MiB"}',
    ]
    assert web.unread_variables == ("environment file arn:aws:s3:::bucket/app.env",)


def test_as_described() -> None:
    """What `aws ecs describe-task-definition` prints is the same with more around it."""
    described = _read(json.dumps({"taskDefinition": json.loads(TASK) | {"taskDefinitionArn": "arn:x"}, "tags": []}))
    assert [one.container for one in described] == ["web", "side"]
    assert described[0].memory_limit is not None
    assert described[0].memory_limit.size_bytes == 512 << 20


CLOUD = """\
Parameters:
  Memory: {Type: Number, Default: 512}
  Limit: {Type: String}
Resources:
  Bucket: {Type: AWS::S3::Bucket}
  Web:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Cpu: 512
      Memory: !Ref Memory
      ContainerDefinitions:
        - Name: web
          Image: !Sub "${Registry}/web"
          Memory: {Ref: Memory}
          Environment:
            - {Name: GOMEMLIMIT, Value: !Ref Limit}
            - {Name: GOGC, Value: 50}
"""


def test_in_cloudformation() -> None:
    """Names begin with a capital; a parameter's default counts, and what CloudFormation computes is not known."""
    (web,) = _read(CLOUD)
    assert (web.subject, web.container, web.image) == ("TaskDefinition/Web", "web", None)
    assert web.pod_cpu_limit is not None
    assert web.memory_limit is not None
    assert (web.pod_cpu_limit.cores, web.memory_limit.size_bytes) == (0.5, 512 << 20)
    assert [(one.name, one.value, one.unknown, one.wrong_type) for one in web.variables] == [
        ("GOMEMLIMIT", None, "CloudFormation fills in Limit", None),
        ("GOGC", "50", None, None),
    ]


@pytest.mark.parametrize(
    ("written", "cores"),
    [
        ('"256"', 0.25),
        ("256", 0.25),
        ('".5 vCPU"', 0.5),
        ('"1vcpu"', 1.0),
        ('"1.5 vCPU"', 1.5),
        ("0", None),
        ('"0.5"', "refused"),
        ('"500m"', "refused"),
    ],
)
def test_cpu_of_a_task(written: str, cores: float | str | None) -> None:
    """CPU units, or vCPUs with their unit; 0 is no limit, and what ECS refuses is told once."""
    text = f'{{"cpu": {written}, "containerDefinitions": [{{"name": "a", "image": "x"}}, {{"name": "b", "image": "x"}}]}}'
    first, second = _read(text)
    assert [flaw.cause for flaw in first.flaws + second.flaws] == ["bad-quantity"] * (cores == "refused")
    assert (first.pod_cpu_limit and first.pod_cpu_limit.cores) == (None if cores == "refused" else cores)


@pytest.mark.parametrize(
    ("written", "size"),
    [('"512"', 512 << 20), ('"1GB"', 1 << 30), ('"0.5 gb"', 512 << 20), ('"512Mi"', None), ('"1 GiB"', None), ("1.5", None)],
)
def test_memory_of_a_task(written: str, size: int | None) -> None:
    """MiB, or GB, which are 1024 of them."""
    (one,) = _read(f'{{"memory": {written}, "containerDefinitions": [{{"name": "a", "image": "x"}}]}}')
    assert (one.pod_memory_limit and one.pod_memory_limit.size_bytes) == size
    assert bool(one.flaws) == (size is None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TASK, True),
        (CLOUD, True),
        ('{"containerDefinitions": []}', False),
        ("Resources: {A: {Type: AWS::S3::Bucket}}", False),
        ("[1]", False),
        ('{"kind": "Pod"}', False),
    ],
)
def test_which_documents_are_task_definitions(text: str, expected: object) -> None:
    """By their structure."""
    assert is_task(_document(text)) is expected


def test_a_definition_without_containers() -> None:
    """It is skipped, with a word."""
    (skipped,) = read_tasks(_document("Resources:\n  A:\n    Type: AWS::ECS::TaskDefinition\n    Properties: {Cpu: 1}\n"), Around()).skipped
    assert (skipped.line, skipped.why) == (4, "a task definition without containers")


def test_what_a_command_sets() -> None:
    """It wins over the environment."""
    (one,) = _read('{"containerDefinitions": [{"name": "a", "image": "x", "command": ["sh", "-c", "GOGC=50 exec /app"]}]}')
    assert [(variable.name, variable.value, variable.origin) for variable in one.variables] == [("GOGC", "50", "command")]
