"""Compose files: each fact with its place, through all files that a service comes from; as seen with Docker Compose 2.26.1."""

from __future__ import annotations

from typing import Any

import pytest

from cgtune.manifests.around import Around
from cgtune.manifests.compose import is_compose, read_compose
from cgtune.manifests.workload import Place, Workload
from cgtune.manifests.yamltext import Document, parse_documents
from tests.support.inputs import beside

HEAD = "services:\n  web:\n    image: x\n"


def _document(file: str, text: str) -> Document:
    (document,) = parse_documents(file, text)
    assert isinstance(document, Document)
    return document


def _read(text: str, **others: str) -> dict[str, Workload]:
    texts = {"p/compose.yaml": text} | {f"p/{name.replace('__', '/').replace('_env', '.env')}": other for name, other in others.items()}
    read = read_compose(_document("p/compose.yaml", text), Around(beside=beside(texts)))
    assert read.skipped == ()
    return {workload.container: workload for workload in read.workloads}


def _web(text: str, **others: str) -> Workload:
    return _read(HEAD + text, **others)["web"]


def _values(workload: Workload) -> dict[str, str | None]:
    return {one.name: one.value for one in workload.variables}


def _spot(place: Place | None, text: str) -> str:
    """The characters of a place, checked against its line and column."""
    assert place is not None
    before = text[: place.start]
    assert (place.line, place.column) == (before.count("\n") + 1, place.start - before.rfind("\n"))
    return text[place.start : place.end]


FULL = """\
services:
  web:
    image: registry.example.com/web:${TAG:-1.2}
    cpuset: "0-2"
    deploy:
      resources:
        limits: {cpus: "1.5", memory: 512m}
        reservations:
          cpus: 0.5
          memory: 256M
    environment:
      GOMEMLIMIT: 400MiB
      GOGC: 50
      GODEBUG: "madvdontneed=1"
    entrypoint: ["/web", --port]
    command: 80 'a b'
    labels:
      cgtune.dev/go: "1.24"
"""


def test_the_facts_of_a_service() -> None:
    """Limits, reservations, variables, the command and labels, each with its place."""
    web = _read(FULL)["web"]
    assert (web.kind, web.subject, web.role, _spot(web.place, FULL)) == ("compose", "service/web", "service", "web")
    assert (web.image, _spot(web.image_place, FULL)) == ("registry.example.com/web:1.2", "registry.example.com/web:${TAG:-1.2}")
    limits: list[Any] = [web.cpu_limit, web.memory_limit, web.cpu_request, web.memory_request, web.cpuset]
    amounts = [(getattr(one, "cores", None) or getattr(one, "size_bytes", None), _spot(one.place, FULL)) for one in limits]
    assert amounts == [(1.5, '"1.5"'), (512 << 20, "512m"), (0.5, "0.5"), (256 << 20, "256M"), (3.0, '"0-2"')]
    assert [(one.name, one.value, _spot(one.place, FULL), _spot(one.entry, FULL)) for one in web.variables] == [
        ("GOMEMLIMIT", "400MiB", "400MiB", "GOMEMLIMIT: 400MiB"),
        ("GOGC", "50", "50", "GOGC: 50"),
        ("GODEBUG", "madvdontneed=1", '"madvdontneed=1"', 'GODEBUG: "madvdontneed=1"'),
    ]
    assert (web.command, _spot(web.command_place, FULL)) == (("/web", "--port", "80", "a b"), '["/web", --port]')
    assert [(one.name, one.value) for one in web.annotations] == [("cgtune.dev/go", "1.24")]
    assert (web.flaws, web.unread_variables) == ((), ())


def test_a_list_of_variables() -> None:
    """The name and the value are found within the text; the last of two counts; one without a value comes from outside."""
    text = HEAD + "    environment:\n      - GOGC=50\n      - 'GOGC=60'\n      - A=a=b\n      - B\n      - C=$$x ${X:-y}\n"
    web = _read(text)["web"]
    assert _values(web) == {"GOGC": "60", "A": "a=b", "B": None, "C": "$x y"}
    gogc = web.variable("GOGC")
    assert gogc is not None
    assert [_spot(one, text) for one in (gogc.place, gogc.name_place, gogc.entry, *gogc.hides)] == ["60", "GOGC", "'GOGC=60'", "GOGC=50"]
    b = web.variable("B")
    assert b is not None
    assert b.unknown == "whoever runs Compose passes it on"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3.0", "3"),
        ("1e9", "1e+09"),
        ("536870912.0", "5.36870912e+08"),
        ("1000000.0", "1e+06"),
        ("999999.5", "999999.5"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("-1.5e10", "-1.5e+10"),
        ("3.10", "3.1"),
        ("010", "8"),
        ("0x10", "16"),
        ("true", "true"),
        ("yes", "yes"),
        ('""', ""),
        ("1_000", "1000"),
        ("12:30", "12:30"),
        ("100000000000000000000", "1e+20"),
        ("123456789012", "123456789012"),
        ("null", None),
    ],
)
def test_a_variable_that_is_no_text(written: str, value: str | None) -> None:
    """Numbers reach the container as Go prints them."""
    assert _values(_web(f"    environment:\n      A: {written}\n")) == {"A": value}


@pytest.mark.parametrize(
    ("written", "size"),
    [("512m", 512 << 20), ("512Mi", 512 << 20), ("1.5gb", 1536 << 20), ("0x20000000", 512 << 20), ("1_000", 1000), ("0", None)],
)
def test_mem_limit(written: str, size: int | None) -> None:
    """Text with units and whole numbers; 0 is no limit."""
    web = _web(f"    mem_limit: {written}\n")
    assert web.memory_limit is not None
    assert (web.memory_limit.size_bytes, web.flaws) == (size, ())


@pytest.mark.parametrize("written", ["1e9", "536870912.0", "9223372036854775808"])
def test_a_limit_that_compose_drops(written: str) -> None:
    """A number with a point or an exponent is no limit, and nothing says so."""
    web = _web(f"    mem_limit: {written}\n")
    assert (web.memory_limit, [(flaw.cause, flaw.written) for flaw in web.flaws]) == (None, [("dropped", written)])
    assert web.flaws[0].meant == {"1e9": "1000000000", "536870912.0": "536870912"}.get(written)


@pytest.mark.parametrize(
    "body",
    [
        "mem_limit: 1e\n",
        "mem_limit: true\n",
        "deploy: {resources: {limits: {memory: 536870912}}}\n",
        "deploy: {resources: {limits: {memory: 512q}}}\n",
        "cpus: 500m\n",
        "cpus: true\n",
        "mem_limit: 1g\n    deploy: {resources: {limits: {memory: 2g}}}\n",
        "cpus: 1\n    deploy: {resources: {limits: {cpus: 2}}}\n",
    ],
)
def test_a_limit_that_compose_refuses(body: str) -> None:
    """With one such limit Compose takes nothing of the file."""
    (flaw,) = _web(f"    {body}").flaws
    assert (flaw.cause, flaw.detail.startswith("Compose refuses the file: ")) == ("bad-quantity", True)


def test_a_quota() -> None:
    """cpu_quota over cpu_period, or over the usual 100 ms."""
    for body, cores in (("cpu_quota: 50000\n", 0.5), ('cpu_quota: "50000"\n    cpu_period: 50000\n', 1.0), ("cpu_quota: -1\n", None)):
        limit = _web(f"    {body}").cpu_limit
        assert limit is not None
        assert limit.cores == cores


def test_limits_from_outside() -> None:
    """A variable that nobody sets leaves a limit open; .env sets it, and a default stands in for it."""
    body = "    mem_limit: ${MEM}\n    cpus: ${CPUS:-0.5}\n"
    web = _web(body)
    assert web.memory_limit is not None
    assert web.cpu_limit is not None
    assert (web.memory_limit.size_bytes, web.memory_limit.unknown) == (None, "$MEM comes from whoever runs Compose")
    assert web.cpu_limit.cores == 0.5
    web = _web(body, _env="MEM=1g\n")
    assert web.memory_limit is not None
    assert web.memory_limit.size_bytes == 1 << 30


def test_files_of_variables() -> None:
    """The later file wins, environment: over all; their variables bear the files' places, and a file that is not there is told."""
    web = _web(
        "    env_file: [a.env, ./s/b.env, no.env]\n    environment: {GOGC: 3}\n", a_env="GOGC=1\nA=1\nB=1\n", s__b_env="B=$X\nA='2' # c\n"
    )
    assert _values(web) == {"A": "2", "B": None, "GOGC": "3"}
    a = web.variable("A")
    assert a is not None
    assert (a.origin, a.place.file, a.place.line, a.place.column, a.place.end_column) == ("env-file", "p/s/b.env", 2, 3, 6)
    assert web.unread_variables == ("env_file no.env, which is not in the input",)
    web = _web("    env_file:\n      - path: a.env\n        required: false\n", a_env="A B\n=")
    assert web.unread_variables == ("env_file a.env: Compose refuses the file: line 1 is no NAME=VALUE",)


def test_anchors_and_merge_keys() -> None:
    """What a service takes over by a merge key is its own, at the place where it is written."""
    text = "x-a: &a\n  mem_limit: 1g\n  environment: &e\n    A: 1\n"
    text += "services:\n  web:\n    <<: *a\n    image: x\n    environment:\n      <<: *e\n      B: 2\n"
    web = _read(text)["web"]
    assert web.memory_limit is not None
    assert (web.memory_limit.size_bytes, _spot(web.memory_limit.place, text), _values(web)) == (1 << 30, "1g", {"A": "1", "B": "2"})


def test_a_service_that_extends_another() -> None:
    """In this file or in another: its limits and variables count unless the service has its own. What is not there is told."""
    text = HEAD + "    mem_limit: 1g\n    environment: {A: 1, B: 2}\n  two:\n    extends: web\n    environment: [B=3]\n"
    two = _read(text)["two"]
    assert two.memory_limit is not None
    assert (two.memory_limit.size_bytes, two.image, _values(two)) == (1 << 30, "x", {"A": "1", "B": "3"})
    other = {"s__base.yaml": "services:\n  b:\n    image: y\n    env_file: e.env\n    mem_limit: 2g\n", "s__e_env": "A=1\n"}
    web = _read("services:\n  web:\n    extends: {service: b, file: s/base.yaml}\n", **other)["web"]
    assert web.memory_limit is not None
    assert (web.memory_limit.size_bytes, web.memory_limit.place.file, _values(web)) == (2 << 30, "p/s/base.yaml", {"A": "1"})
    web = _web("    extends: {service: b, file: no.yaml}\n")
    detail = "the service b of no.yaml is not in the input: what it sets is not known"
    assert ([(flaw.cause, flaw.detail) for flaw in web.flaws], web.unread_variables) == ([("unread", detail)], (detail,))
    assert [flaw.cause for flaw in _web("    extends: web\n").flaws] == ["unread"]


def test_an_override_file() -> None:
    """It is read with the file that it overrides, and not by itself."""
    texts = {"docker-compose.override.yml": "services:\n  web:\n    mem_limit: 2g\n    environment: {B: 2}\n"}
    main = HEAD + "    mem_limit: 1g\n    environment: [A=1]\n"
    texts["docker-compose.yml"] = main
    (web,) = read_compose(_document("docker-compose.yml", main), Around(beside=beside(texts))).workloads
    assert web.memory_limit is not None
    assert (web.memory_limit.size_bytes, web.memory_limit.place.file, _values(web)) == (
        2 << 30,
        "docker-compose.override.yml",
        {"A": "1", "B": "2"},
    )
    override = _document("docker-compose.override.yml", HEAD)
    read = read_compose(override, Around(beside=beside(texts)))
    assert (read.workloads, [one.why for one in read.skipped]) == ((), ["it overrides docker-compose.yml, and is read with that"])
    assert len(read_compose(override, Around(beside=beside({}))).workloads) == 1


def test_what_a_command_sets() -> None:
    """It wins over the environment, and its place is in the command."""
    text = HEAD + "    environment: {GOGC: 1}\n    command: env GOGC=50 /app\n"
    web = _read(text)["web"]
    assert [(one.name, one.value, one.origin, _spot(one.place, text)) for one in web.variables] == [("GOGC", "50", "command", "50")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD, True),
        ("services: {a: {build: .}}", True),
        ("services: {a: {extends: b}}", True),
        ("services: {a: {port: 80}}", False),
        ("services: [a]", False),
        ("services:", False),
        ("kind: X\nservices: {a: {image: b}}", False),
        ("image: x", False),
    ],
)
def test_which_files_are_compose_files(text: str, expected: object) -> None:
    """By their structure: values of Helm charts that have services are none."""
    assert is_compose(_document("x.yaml", text)) is expected
