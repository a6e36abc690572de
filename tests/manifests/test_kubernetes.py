"""Objects of Kubernetes: which containers they hold, and what is read of each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from cgtune.manifests import is_manifest, read_text
from cgtune.manifests.workload import Place, Read, Skipped, Workload
from cgtune.records import Record

SPEC: dict[str, Any] = {"containers": [{"name": "app", "image": "x"}]}
TEMPLATE = {"metadata": {"annotations": {"cgtune.dev/go": "1.24"}}, "spec": SPEC}


def read(text: str, file: str = "x.yaml") -> tuple[list[Workload], list[Skipped]]:
    """All containers of a text, and all that is skipped."""
    reads = list(read_text(file, text))
    return [one for read in reads for one in read.workloads], [one for read in reads for one in read.skipped]


def only(text: str) -> Workload:
    """The one container of a text."""
    (workload,), _ = read(text)
    return workload


def pod(container: str, rest: str = "") -> Workload:
    """A pod's one container, each written in flow style."""
    return only(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - {{name: app, image: x, {container}}}\n{rest}")


TASK = """
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec:
  stepTemplate: {computeResources: {limits: {memory: 1Gi}}, image: never, env: [{name: GOMEMLIMIT, value: 900MiB}]}
  steps:
  - {name: own, image: x, computeResources: {limits: {memory: 2Gi}}, env: [{name: GOGC, value: "50"}]}
  - {name: all, image: x}
"""


def test_what_all_steps_of_a_task_have() -> None:
    """The limits of a stepTemplate hold for steps without any, and its variables are known to be there."""
    found, _ = read(TASK)
    assert [one.memory_limit.written for one in found if one.memory_limit is not None] == ["2Gi", "1Gi"]
    assert [one.unread_variables for one in found] == [("its stepTemplate, which is not read",)] * 2
    found, _ = read(TASK.replace("env: [{name: GOMEMLIMIT", "volumeMounts: [{name: GOMEMLIMIT"))
    assert [one.unread_variables for one in found] == [(), ()]


HEAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: app\n    image: x"
TEMPLATE_WORDS = "a template: it is judged when it is rendered (helm template)"
OTHER_WORDS = (
    "no object of Kubernetes (apiVersion, kind), Compose file or task definition; values of a chart are judged when it is rendered"
)

OBJECTS: dict[str, dict[str, Any]] = {
    "Pod/p": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": SPEC},
    "PodTemplate/p": {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "p"}, "template": TEMPLATE},
    **{
        f"{kind}/shop/p": {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"template": TEMPLATE},
        }
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
    },
    "ReplicationController/p": {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": "p"},
        "spec": {"template": TEMPLATE},
    },
    "Job/p-*": {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "p-"}, "spec": {"template": TEMPLATE}},
    "CronJob/p": {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "p"},
        "spec": {"jobTemplate": {"spec": {"template": TEMPLATE}}},
    },
    "Rollout/p": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "p"}, "spec": {"template": TEMPLATE}},
    "Service/p": {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "p"},
        "spec": {"template": {"spec": {"containers": [{"image": "x"}]}}},
    },
    "JobSet/p": {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": "p"},
        "spec": {"replicatedJobs": [{"name": "w", "template": {"spec": {"template": TEMPLATE}}}]},
    },
    "Task/p": {
        "apiVersion": "tekton.dev/v1",
        "kind": "Task",
        "metadata": {"name": "p"},
        "spec": {"steps": [{"name": "app", "image": "x", "computeResources": {"limits": {"cpu": "1"}}}]},
    },
    "Workflow/p-*": {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "p-"},
        "spec": {"templates": [{"name": "main", "container": {"name": "app", "image": "x"}}]},
    },
    "Agent/p": {
        "apiVersion": "x.example/v1",
        "kind": "Agent",
        "metadata": {"name": "p"},
        "spec": {"pods": {"containers": SPEC["containers"]}},
    },
}


@pytest.mark.parametrize("subject", OBJECTS)
@pytest.mark.parametrize("write", [yaml.safe_dump, json.dumps, lambda value: yaml.safe_dump(value, default_flow_style=True)])
def test_each_kind_is_read(subject: str, write: Any) -> None:
    """Those of Kubernetes where their template is, others by what looks like one; as YAML, JSON and in flow style; alone and in a List."""
    listed = {"apiVersion": "v1", "kind": "List", "items": [OBJECTS[subject], {"apiVersion": "v1", "kind": "Node"}, OBJECTS[subject]]}
    found, skipped = read(write(OBJECTS[subject]))
    again, beside = read(write(listed))
    name = "" if subject == "Service/p" else "app"
    assert [(one.subject, one.container, one.image, one.role) for one in found] == [(subject, name, "x", "container")]
    assert [(one.subject, one.container) for one in again] == [(subject, name)] * 2
    assert ([one.why for one in skipped], [one.why for one in beside]) == ([], ["Node: it holds no containers"])


def test_a_template_of_openshift_is_a_list_with_gaps() -> None:
    """Its objects are read each by itself, and what parameters fill in is not known."""
    text = json.dumps({"apiVersion": "template.openshift.io/v1", "kind": "Template", "objects": [OBJECTS["Pod/p"], OBJECTS["Job/p-*"]]})
    assert [one.subject for one in read(text)[0]] == ["Pod/p", "Job/p-*"]
    _, skipped = read("apiVersion: v1\nkind: Template\nspec: {}\n")
    assert [one.why for one in skipped] == ["Template: it holds no containers"]


def test_a_kustomization_needs_no_kind() -> None:
    """kustomize fills it in."""
    _, skipped = read("resources: [a.yaml]\n", file="base/kustomization.yaml")
    assert [one.why for one in skipped] == ["Kustomization: what it makes is judged when it is rendered (kustomize build)"]


def test_each_object_of_a_list_is_a_document_of_its_own() -> None:
    """So that a list of thousands is judged one by one; unless anchors join its objects, as a fix of one would change others."""
    one, two = json.dumps(OBJECTS["Pod/p"]), json.dumps(OBJECTS["Job/p-*"])
    text = f'{{"apiVersion": "v1", "kind": "List", "items": [\n{one},\n{two}], "x": "a & b * c"}}'
    reads = [found for found in read_text("x.json", text) if found.workloads]
    assert [text[found.workloads[0].document.start : found.workloads[0].document.end] for found in reads] == [one, two]
    assert [found.workloads[0].place.line for found in reads] == [2, 3]
    first, second = text.split('[{"name": "app", "image": "x"}]', 1)
    shared = f'{first}&a [{{"name": "app", "image": "x"}}]{second}'.replace('"containers": [', '"containers": *a , "x": [')
    joined = [found.workloads[0].document for found in read_text("x.yaml", shared) if found.workloads]
    assert {(place.start, place.end) for place in joined} == {(0, len(shared))}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("apiVersion: v1\nkind: ConfigMap\ndata: {x: 'spec: containers:'}", "ConfigMap: it holds no containers"),
        ("apiVersion: v1\nkind: Service\nspec: {}\n", "Service: it holds no containers"),
        ('{"apiVersion": "v1", "kind": "Service"}', "Service: it holds no containers"),
        (
            "kind: CustomResourceDefinition\napiVersion: apiextensions.k8s.io/v1\nspec: {containers: [{image: x}]}",
            "CustomResourceDefinition: it holds no containers",
        ),
        ("apiVersion: a/v1\nkind: Any\ncontainers: [{image: x}]\n", "Any: it holds no containers"),
        ("apiVersion: v1\nkind: Pod\nspec: {containers: null}", "Pod: it holds no containers"),
        (
            "apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {containers: [{name: a, env: []}]}}}",
            "Deployment: its containers name no image; a patch is judged when it is rendered (kustomize build)",
        ),
        ("kind: Kustomization\nresources: [a]\n", "Kustomization: what it makes is judged when it is rendered (kustomize build)"),
        ("- {op: add, path: /spec/containers/0}\n", "a JSON patch: it is judged when it is rendered (kustomize build)"),
        ("- a\n- b\n", "a list, and no object"),
        ("[]", "a list, and no object"),
        ("presubmits: {a: [{spec: {containers: [{image: x}]}}]}", "jobs of Prow, which are no objects of Kubernetes"),
        ("just text", "plain text"),
        (
            "image: {tag: x}\nresources: {}\n",
            "no object of Kubernetes (apiVersion, kind), Compose file or task definition; values of a chart are judged when it is rendered",
        ),
        ("a: [", "did not find expected node content"),
        ("a:\n{{- if .Values.b }}\n  c: d\n{{- end }}", "a template: it is judged when it is rendered (helm template)"),
        (f"{HEAD}\n    env:\n    - name: A\n      value: {{{{ .Values.a | quote }}}}", TEMPLATE_WORDS),
        (f"{HEAD}\n    resources: {{limits: {{memory: {{{{ .Values.a }}}}}}}}", TEMPLATE_WORDS),
        (f"{HEAD}\n    env:\n    - {{{{ .Values.a }}}}", TEMPLATE_WORDS),
        ("a: &a\n  b: *a\n  c: '{{'", OTHER_WORDS),
    ],
)
def test_what_is_no_workload_is_skipped_with_a_word(text: str, why: str) -> None:
    """Once, and never with an error."""
    found, skipped = read(f"# Source: a/b.yaml\n{text}")
    assert ([one.why for one in skipped], found) == ([why], [])


def test_a_skipped_document_has_its_line_and_template() -> None:
    """Parsed or not."""
    text = "---\n# Source: a/b.yaml\napiVersion: v1\nkind: Secret\n---\n# Source: c.yaml\nfoo: bar\n"
    assert [(one.line, one.source) for one in read(text)[1]] == [(4, "a/b.yaml"), (7, "c.yaml")]


def test_nothing_is_nothing() -> None:
    """An empty file, and one of comments, is no reason for a word."""
    assert [read(text) for text in ("", "# nothing\n---\n", "\ufeff")] == [([], [])] * 3


LIMITS = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: orders
  namespace: shop
  annotations: {cgtune.dev/ignore: "fractional-quota: known", other: x}
spec:
  template:
    metadata:
      annotations: {cgtune.dev/go: "1.24"}
    spec:
      resources: {limits: {cpu: 2, memory: 1Gi}}
      volumes:
      - {name: tmp, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
      - {name: all, emptyDir: {medium: Memory}}
      - {name: disk, emptyDir: {sizeLimit: 1Gi}}
      - {name: unused, emptyDir: {medium: Memory}}
      initContainers:
      - {name: migrate, image: m}
      - {name: mesh, image: e, restartPolicy: Always}
      - {name: wait, image: w}
      containers:
      - name: api
        image: "registry.example/api:1.0"
        command: ["/api"]
        args: [--listen, 80]
        env: []
        resources:
          limits: {cpu: 1500m, memory: 512Mi}
          requests: {cpu: 010, memory: 1e8}
        resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]
        volumeMounts: [{name: tmp, mountPath: /tmp}, {name: disk, mountPath: /d}, {name: all, mountPath: /a}, {name: tmp, mountPath: /t}]
      - name: log
        image: l
        env: [{name: A, value: b}]
"""


def test_what_is_read_of_a_container() -> None:
    """Limits, requests, volumes, resizing, annotations, command, neighbours, each at its place."""
    workloads, _ = read(LIMITS)
    roles = [(one.container, one.role, one.pod_containers) for one in workloads]
    assert roles == [("migrate", "init", 1), ("mesh", "sidecar", 3), ("wait", "init", 2), ("api", "container", 3), ("log", "container", 3)]
    api, log = workloads[3:]
    assert (api.subject, api.kind, api.image, api.command) == (
        "Deployment/shop/orders",
        "kubernetes",
        "registry.example/api:1.0",
        ("/api", "--listen", "80"),
    )
    amounts = (api.cpu_limit, api.cpu_request, api.memory_limit, api.memory_request, api.pod_cpu_limit, api.pod_memory_limit)
    assert [(one.written, one.place.line, one.place.column) for one in amounts if one is not None] == [
        ("1500m", 29, 25),
        ("010", 30, 27),
        ("512Mi", 29, 40),
        ("1e8", 30, 40),
        ("2", 12, 33),
        ("1Gi", 12, 44),
    ]
    assert (api.cpu_limit and api.cpu_limit.cores, api.cpu_request and api.cpu_request.cores) == (1.5, 8)
    assert (api.memory_limit and api.memory_limit.size_bytes, api.memory_request and api.memory_request.size_bytes) == (512 << 20, 10**8)
    assert [(one.written, one.size_bytes, one.place.line) for one in api.memory_volumes] == [("64Mi", 64 << 20, 14), ("", None, 15)]
    assert [(one.resource, one.restart, one.place.line) for one in api.resizes] == [("memory", "RestartContainer", 31)]
    assert [(one.name, one.value) for one in api.annotations] == [
        ("cgtune.dev/ignore", "fractional-quota: known"),
        ("cgtune.dev/go", "1.24"),
    ]
    assert (api.place.line, api.image_place and api.image_place.column, api.command_place and api.command_place.end_line) == (23, 16, 26)
    assert (api.resources_place and api.resources_place.line, api.env_place, log.env_place and log.env_place.line) == (29, None, 35)
    assert (log.cpu_limit, log.resources_place, log.memory_volumes, api.flaws) == (None, None, (), ())
    assert (api.document.start, api.document.end) == (0, len(LIMITS))


# Quantities as the API server of Kubernetes 1.36.2 took them.
@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("0.1m", 0.001),
        (".5", 0.5),
        ("+1", 1),
        ("1.", 1),
        ("010", 8),  # a number of YAML 1.1
        ("'010'", 10),
        ("1_000", 1000),
        ("0x10", 16),
        ("12e-1", 1.2),
        ("' 1 '", 1),
        ("0", None),
        ("~", None),
        ("''", "refused"),
        ("1_000m", "refused"),
        ("12:30", "refused"),
        ("'0x10'", "refused"),
        ("yes", "refused"),
        ("-1", "refused"),
        ("1 Gi", "refused"),
        ("[1]", "refused"),
        (".inf", "refused"),
        (".nan", "refused"),
    ],
)
def test_cpus(text: str, cores: float | str | None) -> None:
    """To the next thousandth; what limits nothing is there with None inside; what the API refuses is a flaw at its place."""
    workload = pod(f"resources: {{limits: {{cpu: {text}}}}}")
    if cores == "refused":
        ((flaw,), limit) = workload.flaws, workload.cpu_limit
        assert (limit, flaw.what, flaw.cause, flaw.place.line) == (None, "limits.cpu", "bad-quantity", 6)
    else:
        assert workload.cpu_limit is not None
        assert (workload.cpu_limit.cores, workload.flaws) == (cores, ())


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512Mi", 512 << 20),
        ("1.5Gi", 1536 << 20),
        ("0.5Ki", 512),
        ("512m", 1),
        ("1e9", 10**9),
        ("8Ei", (1 << 63) - 1),
        ("100E", (1 << 63) - 1),
        ("128974848", 128974848),
        ("null", None),
        ("512MiB", "refused"),
        ("512mb", "refused"),
        ("1K", "refused"),
        ("1Ki1", "refused"),
        ("1e", "refused"),
    ],
)
def test_bytes(text: str, size: int | str | None) -> None:
    """To the next whole one."""
    workload = pod(f"resources: {{limits: {{memory: {text}}}}}")
    if size == "refused":
        assert (workload.memory_limit, [flaw.written for flaw in workload.flaws]) == (None, [text])
    else:
        assert workload.memory_limit is not None
        assert (workload.memory_limit.size_bytes, workload.flaws) == (size, ())


@pytest.mark.parametrize(
    "resources", ["resources: null", "resources: {limits: null, requests: ~}", "resources: []", "resources: {limits: x}"]
)
def test_empty_resources(resources: str) -> None:
    """Charts leave them empty in many ways."""
    workload = pod(resources)
    assert (workload.cpu_limit, workload.memory_limit, workload.flaws) == (None, None, ())


@pytest.mark.parametrize("text", ["'{{ .Values.cpu }}'", "${CPU}", "${CPU:=500m}", "'{{limit}}00m'", "$(params.cpu)", "2${UNIT}"])
def test_what_another_program_fills_in_is_not_judged(text: str) -> None:
    """A chart that is not rendered, Flux, Argo, Tekton: a limit that nobody knows, and a variable that gets it."""
    head = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: app\n    image: x\n"
    limits = f"    resources:\n      limits:\n        cpu: {text}\n        memory: {text}\n"
    workload = only(f"{head}{limits}    env:\n    - name: A\n      value: {text}\n")
    assert workload.cpu_limit is not None
    assert workload.memory_limit is not None
    assert (workload.cpu_limit.cores, workload.memory_limit.size_bytes, workload.flaws) == (None, None, ())
    (variable,) = workload.variables
    assert (variable.value, variable.unknown is not None) == (None, True)
    assert "another program may fill in" in (workload.cpu_limit.unknown or "")


def test_the_pods_own_flaws_are_told_once() -> None:
    """However many containers it has."""
    containers = "[{name: a, image: x}, {name: b, image: x}]"
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{resources: {{limits: {{cpu: x}}}}, containers: {containers}}}"
    assert [[flaw.what for flaw in one.flaws] for one in read(text)[0]] == [[], ["limits.cpu"]]


def test_anchors_and_merges_reach_every_container() -> None:
    """A value that is shared stands where its anchor is."""
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - &a\n    name: a\n    image: x\n"
    (one, two), _ = read(text + "    resources: {limits: {cpu: &c 1}}\n  - <<: *a\n    name: b\n")
    assert (one.container, two.container, one.cpu_limit) == ("a", "b", two.cpu_limit)
    assert one.cpu_limit is not None
    assert (one.cpu_limit.place.line, one.cpu_limit.place.column) == (9, 34)


def test_objects_that_go_in_circles_end() -> None:
    """An alias may name what it stands in."""
    found, skipped = read("&a {apiVersion: x/v1, kind: X, spec: &s {a: *a, s: *s, containers: [*s], l: &l [*l]}}")
    assert (found, [one.why for one in skipped]) == ([], ["X: it holds no containers"])
    found, _ = read("&a {apiVersion: v1, kind: List, items: [*a, *a]}")
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        f"spec: {{x: &e [{'{name: a, value: b}, ' * 2000}], containers: [{'{name: c, image: i, env: *e}, ' * 2000}]}}",
        f"spec: {{x: &c [{'{name: c, image: i}, ' * 3000}], l: [{'{spec: {containers: *c, n: 1}}, ' * 3000}]}}",
    ],
)
@pytest.mark.slow
def test_aliases_do_not_multiply(text: str) -> None:
    """A small file that stands for millions of entries is skipped in no time, alone and in a List."""
    started = time.process_time()
    for whole in (f"apiVersion: x/v1\nkind: X\n{text}\n", f"apiVersion: v1\nkind: List\nitems: [{{apiVersion: x/v1, kind: X, {text}}}]\n"):
        found, skipped = read(whole)
        assert ([one.why for one in skipped], found) == (["its aliases make far more of it than is written there"], [])
    assert time.process_time() - started < 30


@pytest.mark.slow
def test_aliases_do_not_multiply_in_compose_files() -> None:
    """Nor do services that share their variables."""
    variables = ", ".join(f"A{number}: b" for number in range(1000))
    services = ", ".join(f"s{number}: {{image: i, environment: *e}}" for number in range(1000))
    found, skipped = read(f"x-e: &e {{{variables}}}\nservices: {{{services}}}\n", file="compose.yaml")
    assert ([one.why for one in skipped], found) == (["its aliases make far more of it than is written there"], [])


def test_a_name_that_stands_ten_thousand_times() -> None:
    """Each hides those before it, and nothing is copied for each."""
    (workload,), _ = read(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: a\n    image: i\n    env:\n"
        + "    - {name: A, value: b}\n" * 10_000
    )
    assert len(workload.variables[0].hides) == 9_999


def test_files_by_name() -> None:
    """What folders are searched for."""
    names = [
        "a.yaml",
        "b.yml",
        "c.json",
        "d/compose.yaml",
        "e.service",
        "f.slice",
        "g.service.d/h.conf",
        "h.conf",
        "i.toml",
        "yaml",
        "j.YAML",
    ]
    assert [name for name in names if is_manifest(name)] == names[:7]


def places(record: object) -> Iterator[Place]:
    """All places in a record, however deep."""
    if isinstance(record, Place):
        yield record
    elif isinstance(record, Record):
        for _name, value in record.items():  # noqa: PERF102  it is a record's
            yield from places(value)
    elif isinstance(record, tuple):
        for value in record:
            yield from places(value)


_ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        4,
        1.5,
        "",
        "x",
        "$(A)",
        "1Gi",
        "limits.cpu",
        "Always",
        [],
        {},
        [{}],
        [None],
        {"name": "A"},
        [["x"]],
        {"limits": {"cpu": "1"}},
    ]
)
_KEYS = st.sampled_from(
    [
        *("name", "image", "env", "envFrom", "value", "valueFrom", "resources", "limits", "requests", "cpu", "memory", "command", "args"),
        *("resourceFieldRef", "resource", "divisor", "containerName", "configMapKeyRef", "configMapRef", "fieldRef", "fileKeyRef", "key"),
        *("optional", "prefix", "resizePolicy", "restartPolicy", "resourceName", "volumeMounts", "emptyDir", "medium", "<<", "fieldPath"),
    ]
)
_TREES = st.recursive(_ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=6), max_leaves=20)
_CONTAINER = st.dictionaries(_KEYS, _TREES, max_size=8).map(lambda members: {"name": "app", "image": "x", **members})


@given(
    st.lists(_CONTAINER | _TREES, max_size=2), st.lists(_CONTAINER, max_size=2), st.dictionaries(_KEYS, _TREES, max_size=3), st.booleans()
)
def test_any_object_is_read(containers: list[Any], inits: list[Any], rest: dict[str, Any], is_flow: bool) -> None:
    """Whatever stands where: nothing is raised, what is not known has a reason, and each place holds what it says."""
    value = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": rest,
        "spec": {"containers": [{"name": "a", "image": "i"}, *containers], "initContainers": inits, **rest},
    }
    text = yaml.safe_dump(value, default_flow_style=is_flow, allow_unicode=True)
    for one in read_text("x.yaml", text):
        assert isinstance(one, Read)
        for workload in one.workloads:
            assert all(0 <= place.start <= place.end <= len(text) for place in places(workload))
            for variable in workload.variables:
                assert (variable.value is None) == (variable.unknown is not None)
            names = [variable.name for variable in workload.variables]
            assert len(names) == len(set(names))


_MISTAKES = st.sampled_from(["", "\n", ":", "{", "]", "- ", "&a ", "*a", "'", '"', "\t", "#", "|", "<<: ", "\x00", "é"])


@given(st.data())
def test_a_manifest_with_a_mistake_is_read_or_refused(data: st.DataObject) -> None:
    """Letters that are lost, doubled or replaced anywhere in a real manifest."""
    text = LIMITS
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text = (
            text[:at]
            + data.draw(st.sampled_from(["", "\n", ":", "{", "]", "- ", "&a ", "*a", "'", '"', "\t", "#", "|", "<<: ", "\x00", "é"]))
            + text[at + 1 :]
        )
    for one in read_text("x.yaml", text):
        assert all(0 <= place.start <= place.end <= len(text) for workload in one.workloads for place in places(workload))
        assert all(skipped.line >= 1 and skipped.why for skipped in one.skipped)
