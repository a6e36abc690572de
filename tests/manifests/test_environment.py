"""The environment as the kubelet computes it: Kubernetes' own rules, row by row."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from cgtune.manifests import read_text
from cgtune.manifests.around import Around
from cgtune.manifests.environment import expand
from cgtune.manifests.resources import is_divisor
from cgtune.manifests.workload import Variable, Workload
from tests.support import kubernetes

KNOWN: dict[str, str | None] = {"A": "1", "B": "two", "EMPTY": "", "REF": "$(A)", "LATER": None}


# As TestMapping of third_party/forked/golang/expansion/expand_test.go in Kubernetes has it.
@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("$(A)-$(A)", "1-1"),
        ("x$(B)y", "xtwoy"),
        ("$(A)_$(B)", "1_two"),
        ("a$(EMPTY)b", "ab"),
        ("$(REF)", "$(A)"),  # once
        ("$$(A)", "$(A)"),
        ("$$(A)_$(A)", "$(A)_1"),
        ("f-$$A", "f-$A"),
        ("\\$(A)", "\\1"),
        ("$(NONE)", "$(NONE)"),
        ("$$$(A)", "$1"),
        ("$$$$$$(A)", "$$$(A)"),
        ("$$$$$$$(A)", "$$$1"),
        ("$$$$$$$(NONE)", "$$$$(NONE)"),
        ("$(A$(B))", "$(A$(B))"),
        ("$(A$(B)", "$(A$(B)"),
        ("x$(Awhoops", "x$(Awhoops"),
        ("__(A)__", "__(A)__"),
        ("$?_$!", "$?_$!"),
        ("$A ${A} $A)", "$A ${A} $A)"),
        ("$(A)$", "1$"),
        ("$(B)_$(A", "two_$(A"),
        ("$(", "$("),
        ("--$($($($(--", "--$($($($(--"),
        ("$(x$$y)", "$(x$$y)"),
        ("$()", "$()"),
        ("", ""),
    ],
)
def test_references_are_replaced(text: str, expanded: str) -> None:
    """$(NAME), escapes, and what only looks like one."""
    assert expand(text, KNOWN.__getitem__) == (expanded, None)


def test_what_is_not_known_makes_the_whole_not_known() -> None:
    """And it says by whom."""
    assert expand("$(A)$(LATER)$(NONE)", KNOWN.__getitem__) == (None, "LATER")


@given(st.text(alphabet="$()AB x"))
def test_an_escaped_text_is_itself(text: str) -> None:
    """Whatever it looks like."""
    assert expand(text.replace("$", "$$"), KNOWN.__getitem__) == (text, None)


@given(st.text(alphabet="()AB x"), st.sampled_from(["A", "B", "EMPTY"]), st.text(alphabet="()AB x"))
def test_a_reference_is_replaced_wherever_it_stands(before: str, name: str, after: str) -> None:
    """With nothing of what is around it changed."""
    assert expand(f"{before}$({name}){after}", KNOWN.__getitem__) == (f"{before}{KNOWN[name]}{after}", None)


POD = """
apiVersion: v1
kind: Pod
metadata: {{name: shop, namespace: eu, labels: {{app: web, "size/x": "3"}}}}
spec:
  serviceAccountName: robot
  containers:
  - name: app
    image: x
{container}
{rest}
"""
CONFIGS = f"""
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: conf, namespace: eu}}
data: {{GOMAXPROCS: "3", A: "from $(B)", EMPTY: "", NULL: null, WRONG: 4}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: other, namespace: eu}}
data: {{A: other}}
---
apiVersion: v1
kind: Secret
metadata: {{name: hidden, namespace: eu}}
data: {{PASS: {b64encode(b"word").decode()}, BAD: "*", BOTH: {b64encode(b"old").decode()}}}
stringData: {{BOTH: new, PLAIN: text}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: conf, namespace: us}}
data: {{GOMAXPROCS: "9"}}
"""


def read(container: str, *, rest: str = "", configs: str = CONFIGS, around: Around | None = None, of: str = "app") -> Workload:
    """One container of a pod, with ConfigMaps behind it."""
    text = POD.format(container="\n".join(f"    {line}" for line in container.strip("\n").splitlines()), rest=rest) + configs
    if around is not None:
        around.collect("x.yaml", text)
    found = [one for read in read_text("x.yaml", text, around) for one in read.workloads]
    (workload,) = [one for one in found if one.container == of]
    return workload


def values(workload: Workload) -> dict[str, str | None]:
    """By name."""
    return {one.name: one.value for one in workload.variables}


def variable(workload: Workload, name: str) -> Variable:
    """The one of that name."""
    found = workload.variable(name)
    assert found is not None
    return found


def test_values_are_taken_in_order() -> None:
    """An earlier one can be referred to, a later one cannot, and of the same name the last counts."""
    workload = read("env:\n- {name: A, value: '1'}\n- {name: B, value: $(A)$(C)}\n- {name: C, value: '3'}\n- {name: A, value: $(A)2}")
    assert values(workload) == {"A": "12", "B": "1$(C)", "C": "3"}
    again = variable(workload, "A")
    assert [place.line for place in again.hides] == [11]
    assert (again.entry.line, again.entry.column, again.name_place.column, again.place.column) == (14, 7, 14, 24)


def test_each_hidden_entry_is_told() -> None:
    """Three of a name: the last hides two."""
    workload = read("env:\n- {name: A, value: '1'}\n- {name: A, value: '2'}\n- {name: A, value: '3'}")
    assert ([place.line for place in variable(workload, "A").hides], variable(workload, "A").value) == ([11, 12], "3")


def test_sources_come_before_the_list() -> None:
    """Of two sources the later wins, the list beats both, and what a source says is taken as it is."""
    workload = read(
        """
envFrom:
- configMapRef: {name: conf}
- prefix: P_
  configMapRef: {name: conf}
- configMapRef: {name: other}
- secretRef: {name: hidden}
env:
- {name: GOMAXPROCS, value: $(P_GOMAXPROCS)$(PASS)}
- {name: X, value: $(A)}
"""
    )
    found = values(workload)
    assert {name: found[name] for name in ("GOMAXPROCS", "X", "A", "P_A", "P_NULL", "P_EMPTY", "BOTH", "PLAIN", "BAD", "WRONG")} == {
        "GOMAXPROCS": "3word",
        "X": "other",
        "A": "other",
        "P_A": "from $(B)",
        "P_NULL": "",
        "P_EMPTY": "",
        "BOTH": "new",
        "PLAIN": "text",
        "BAD": None,
        "WRONG": None,
    }
    assert [variable(workload, name).origin for name in ("GOMAXPROCS", "A", "PASS")] == ["literal", "config-map", "secret"]
    assert variable(workload, "WRONG").unknown == "it is no text there, which the API refuses"
    assert variable(workload, "GOMAXPROCS").hides == ()
    assert workload.unread_variables == ()


def test_keys_of_configs() -> None:
    """One key, by name; an optional one that is not there leaves what was set before."""
    workload = read(
        """
env:
- {name: A, valueFrom: {configMapKeyRef: {name: conf, key: GOMAXPROCS}}}
- {name: B, valueFrom: {secretKeyRef: {name: hidden, key: PASS}}}
- {name: C, value: before}
- {name: C, valueFrom: {configMapKeyRef: {name: conf, key: none, optional: true}}}
- {name: D, valueFrom: {configMapKeyRef: {name: conf, key: none}}}
- {name: E, valueFrom: {configMapKeyRef: {name: gone, key: A, optional: true}}}
- {name: F, value: $(E)}
"""
    )
    assert values(workload) == {"A": "3", "B": "word", "C": "before", "D": None, "E": None, "F": None}
    assert (variable(workload, "A").place.line, variable(workload, "A").entry.line) == (24, 11)
    assert variable(workload, "B").place.line == 12  # what stands in the Secret is encoded
    assert variable(workload, "D").unknown == "ConfigMap conf has no key none, and the container does not start"
    assert variable(workload, "E").unknown == "it comes from ConfigMap gone, which is not in the input"
    assert variable(workload, "F").unknown == "it refers to E: it comes from ConfigMap gone, which is not in the input"


def test_what_is_not_in_the_input_is_told() -> None:
    """A source of the same name in another namespace is another one; a name that nobody set may come from a source that nobody saw."""
    workload = read("envFrom:\n- configMapRef: {name: gone}\n- secretRef: {name: us, optional: true}\nenv:\n- {name: A, value: $(B)}")
    assert workload.unread_variables == ("ConfigMap gone, which is not in the input", "Secret us, which is not in the input")
    assert (variable(workload, "A").value, variable(workload, "A").unknown) == (None, "it refers to B, which is set elsewhere if at all")
    service = variable(read("env:\n- {name: A, value: $(DB_SERVICE_HOST)}"), "A")
    assert (service.value, service.unknown) == (None, "it refers to DB_SERVICE_HOST, which is set elsewhere if at all")


def test_a_config_that_stands_more_than_once() -> None:
    """The same file's counts; two elsewhere that differ are none; two that agree are one."""
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: eu}\ndata: {A: '%s'}\n"
    env = "env:\n- {name: A, valueFrom: {configMapKeyRef: {name: c, key: A}}}"
    for here, elsewhere, value in (("3", ("1", "2"), "3"), (None, ("1", "2"), None), (None, ("1", "1"), "1"), (None, ("1",), "1")):
        around = Around()
        for number, one in enumerate(elsewhere):
            around.collect(f"{number}.yaml", config % one)
        found = variable(read(env, configs="---\n" + config % here if here else "", around=around), "A")
        assert found.value == value
        assert value is not None or found.unknown == "it comes from ConfigMap c, which the input holds more than once"


@pytest.mark.parametrize(
    ("entry", "value", "wrong", "unknown"),
    [
        ("value: null", "", None, None),
        ("value: ''", "", None, None),
        ("", "", None, None),
        ("value: 4", None, "number", "it is a number, and the API server refuses the object"),
        ("value: 1e3", None, "number", "it is a number, and the API server refuses the object"),
        ("value: 1_000m", "1_000m", None, None),
        ("value: 12:30", "12:30", None, None),
        ("value: 400MiB", "400MiB", None, None),
        ("value: off", None, "boolean", "it is a boolean, and the API server refuses the object"),
        ("value: [a]", None, "sequence", "it is a sequence, and the API server refuses the object"),
        ("valueFrom: null", "", None, None),
        ("valueFrom: {}", "", None, None),
        ("valueFrom: {fieldRef: {fieldPath: metadata.name}}", "shop", None, None),
        ("valueFrom: {fieldRef: {fieldPath: metadata.namespace}}", "eu", None, None),
        ("valueFrom: {fieldRef: {fieldPath: \"metadata.labels['size/x']\"}}", "3", None, None),
        ("valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}", "robot", None, None),
        ("valueFrom: {fieldRef: {fieldPath: status.podIP}}", None, None, "status.podIP is known when the pod runs"),
        ("valueFrom: {fileKeyRef: {volumeName: v, path: p, key: k}}", None, None, "it is read from a file when the container starts"),
        ("valueFrom: {newKeyRef: {key: k}}", None, None, "newKeyRef is known when the pod runs"),
    ],
)
def test_an_entry(entry: str, value: str | None, wrong: str | None, unknown: str | None) -> None:
    """Literals by their type, and what each reference gives."""
    found = variable(read(f"env:\n- name: A\n  {entry}"), "A")
    assert (found.value, found.wrong_type, found.unknown) == (value, wrong, unknown)


def resource(name: str, divisor: str = "", of: str = "") -> str:
    """An environment with a reference to a resource."""
    parts = [f"resource: {name}", *([f"divisor: {divisor}"] if divisor else []), *([f"containerName: {of}"] if of else [])]
    return f"env:\n- {{name: A, valueFrom: {{resourceFieldRef: {{{', '.join(parts)}}}}}}}"


# Seen with Kubernetes 1.36.2, as are the rows below.
@pytest.mark.parametrize(
    ("limit", "name", "divisor", "value"),
    [
        ("memory: 1.5Gi", "limits.memory", "1Mi", "1536"),
        ("memory: 1.5Gi", "limits.memory", "", "1610612736"),
        ("memory: 1.5Gi", "limits.memory", "1", "1610612736"),
        ("memory: 1.5Gi", "limits.memory", "'0'", "1610612736"),
        ("memory: 1.5Gi", "limits.memory", "null", "1610612736"),
        ("memory: 1.5Gi", "limits.memory", "1Gi", "2"),
        ("memory: 1.5Gi", "limits.memory", "1M", "1611"),
        ("memory: 1.5Gi", "limits.memory", "1000", "1610613"),
        ("memory: 1.5Gi", "limits.memory", "1024Ki", "1536"),
        ("memory: 10000000000", "limits.memory", "1Mi", "9537"),
        ("memory: 0x10", "limits.memory", "1", "16"),
        ("cpu: 2500m", "limits.cpu", "", "3"),
        ("cpu: 2500m", "limits.cpu", "1m", "2500"),
        ("cpu: 2500m", "limits.cpu", "0.001", "2500"),
        ("cpu: 2500m", "limits.cpu", "1000m", "3"),
        ("cpu: 1m", "limits.cpu", "1", "1"),
        ("cpu: 0.0001", "limits.cpu", "1m", "1"),
        ("cpu: 010", "limits.cpu", "1", "8"),
        ("memory: 8Ei", "limits.memory", "1", None),
        ("memory: 1Gi", "limits.cpu", "1", None),
        ("memory: 1Gi", "requests.memory", "1", "1073741824"),  # the API server fills in the request
        ("memory: 1Gi", "requests.cpu", "1", "0"),
        ("memory: '0'", "limits.memory", "1", None),
        ("memory: null", "limits.memory", "1", None),
        ("memory: 1Gi", "limits.memory", "1024", None),
        ("memory: 1Gi", "limits.ephemeral-storage", "1", None),
        ("memory: 1GiB", "limits.memory", "1", None),  # refused, so it falls to nothing
        ("memory: 1GiB", "requests.memory", "1", "0"),
        ("memory: '${MEMORY}'", "limits.memory", "1", None),
    ],
)
def test_a_resource_is_divided(limit: str, name: str, divisor: str, value: str | None) -> None:
    """Rounded up; a limit of 0 is none; requests fall back to limits alone."""
    assert values(read(f"{resource(name, divisor)}\nresources: {{limits: {{{limit}}}}}")) == {"A": value}


def test_requests_are_their_own() -> None:
    """If they are written."""
    limits = "resources: {limits: {cpu: 2, memory: 2Gi}, requests: {cpu: 100m, memory: 1Gi}}"
    assert values(read(f"{resource('requests.memory', '1Mi')}\n{limits}")) == {"A": "1024"}
    assert values(read(f"{resource('requests.cpu', '1m')}\n{limits}")) == {"A": "100"}


def test_a_missing_limit_falls_to_the_pod_and_then_to_the_node() -> None:
    """Requests fall to neither, the node's has to be known."""
    found = variable(read(resource("limits.memory"), rest="  resources: {limits: {memory: 256Mi}}"), "A")
    assert found.field is not None
    assert (found.value, found.field.falls_to) == ("268435456", "pod")
    assert values(read(resource("requests.memory"), rest="  resources: {requests: {memory: 256Mi}}")) == {"A": "0"}
    found = variable(read(resource("limits.memory")), "A")
    assert found.field is not None
    assert (found.value, found.field.falls_to) == (None, "node")
    assert found.unknown == "there is no limits.memory: it becomes the node's allocatable, which is not known"
    node = Around(node_cores=15.89, node_memory_bytes=25224073216)
    assert values(read(resource("limits.memory"), around=node)) == {"A": "25224073216"}
    assert values(read(resource("limits.cpu"), around=node)) == {"A": "16"}
    assert values(read(resource("limits.cpu", "1m"), around=node)) == {"A": "15890"}


INITS = """
  initContainers:
  - {name: first, image: i}
  - {name: side, image: i, restartPolicy: Always, resources: {limits: {memory: 64Mi}}}
  - name: self
    image: i
    env:
    - {name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: B, valueFrom: {resourceFieldRef: {resource: limits.cpu, containerName: self}}}
    - {name: C, valueFrom: {resourceFieldRef: {resource: limits.cpu, containerName: app}}}
"""


def test_another_container_can_be_named() -> None:
    """An init container that is named gets no fallback, and one that is not in the pod keeps this one from starting."""
    node = Around(node_cores=4)
    named = read(f"{resource('limits.memory', of='side')}", rest=INITS, around=node)
    assert values(named) == {"A": "67108864"}
    assert values(read(resource("limits.memory", of="first"), rest=INITS, around=node)) == {"A": "0"}
    assert values(read(resource("limits.cpu", of="app"), rest=INITS, around=node)) == {"A": "4"}
    assert values(read("resources: {}", rest=INITS, around=node, of="self")) == {"A": "4", "B": "0", "C": "4"}
    gone = variable(read(resource("limits.cpu", of="nope")), "A")
    assert gone.field is not None
    assert (gone.value, gone.field.is_known, gone.field.container) == (None, False, "nope")
    assert gone.unknown == "container nope is not in the pod, and this one does not start"


@pytest.mark.parametrize(
    ("resource", "taken", "refused"),
    [
        ("limits.memory", ["0", "1", "1k", "1000", "1M", "1G", "1E", "1Ki", "1024Ki", "1Mi", "1Ei", "+1", "1.0", "1000m"], []),
        ("limits.memory", [], ["3", "1.5Mi", "1m", "2Mi", "1024", "1048576", "1e6", "1K", "1e3", "-1", "", "x", "0.5Ki", "1e"]),
        ("requests.cpu", ["0", "1", "1m", "0.001", "1000m", "1.0"], ["2", "1k", "10m", "100u", "1Ki", "1M"]),
    ],
)
def test_divisors(resource: str, taken: list[str], refused: list[str]) -> None:
    """As the API server of Kubernetes 1.36.2 took and refused them."""
    assert [text for text in taken if not is_divisor(resource, text)] == []
    assert [text for text in refused if is_divisor(resource, text)] == []


@pytest.mark.parametrize(
    ("divisor", "is_refused", "why"),
    [
        ("2Mi", True, "divisor 2Mi is none that the API server takes"),
        ("1MB", True, "divisor 1MB is none that the API server takes"),
        ("'${UNIT}'", False, "its divisor holds ${UNIT}, which another program may fill in"),
    ],
)
def test_a_divisor_that_divides_nothing(divisor: str, is_refused: object, why: str) -> None:
    """The API server refuses it, or somebody still fills it in."""
    found = variable(read(f"{resource('limits.memory', divisor)}\nresources: {{limits: {{memory: 1Gi}}}}"), "A")
    assert found.field is not None
    assert (found.value, found.field.is_refused, found.unknown) == (None, is_refused, why)


def test_the_command_is_expanded_first_and_then_sets_more() -> None:
    """The kubelet replaces $(NAME) in the command; what a shell sets wins; $(nproc) is nobody's variable, so the shell gets it."""
    workload = read(
        """
command: [sh, -c, "GOMAXPROCS=$(CPUS) exec app --x=$(M)"]
args: ["$$(CPUS)"]
env:
- {name: CPUS, value: "4"}
- {name: GOMAXPROCS, value: "9"}
- {name: M, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
"""
    )
    assert workload.command == ("sh", "-c", "GOMAXPROCS=4 exec app --x=$(M)", "$(CPUS)")
    found = variable(workload, "GOMAXPROCS")
    assert (found.value, found.origin, found.entry.line) == ("4", "command", 10)
    computed = variable(read("command: [sh, -c]\nargs: ['GOMAXPROCS=$(nproc) app']"), "GOMAXPROCS")
    assert (computed.value, computed.unknown, computed.entry.line) == (None, "the shell computes it", 11)
    assert read("command: [sh, -c, '. /env && app']").unread_variables == ("the shell's . /env",)


_AMOUNTS = {
    "memory": [
        "1",
        "1.5Gi",
        "100000001",
        "128974848000m",
        "0.5Ki",
        "1e9",
        "7Ei",
        "010",
        "1_000",
        "0x10",
        "333333333",
        "1.1Gi",
        "17M",
        "999",
        "3T",
    ],
    "cpu": ["1m", "0.1m", "333m", "1", "2500m", "1.0001", "010", "1e1", "0.3333333", "12e-1", "63", ".5", "1k"],
}
_DIVISORS = {
    "memory": ["1", "1k", "1M", "1G", "1Ki", "1Mi", "1Gi", "1024Ki", "1000", "0", ""],
    "cpu": ["1", "1m", "0.001", "1000m", "0", ""],
}


@pytest.mark.fetched
def test_kubernetes_own_code_divides_the_same(tmp_path: Path) -> None:
    """kubectl resolves field references by the code that the kubelet uses: each amount by each divisor."""
    containers, names = [], []
    for kind, amounts in _AMOUNTS.items():
        for number, amount in enumerate(amounts):
            entries = []
            for at, divisor in enumerate(_DIVISORS[kind]):
                names.append(f"{kind.upper()}_{number}_{at}")
                part = f", divisor: '{divisor}'" if divisor else ""
                entries.append(f"{{name: {names[-1]}, valueFrom: {{resourceFieldRef: {{resource: limits.{kind}{part}}}}}}}")
            containers.append(
                f"{{name: {kind}-{number}, image: i, resources: {{limits: {{{kind}: {amount}}}}}, env: [{', '.join(entries)}]}}"
            )
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{', '.join(containers)}]}}\n"
    (tmp_path / "pod.yaml").write_text(text)
    done = kubernetes.run("kubectl", "set", "env", "--local", "-f", tmp_path / "pod.yaml", "--list", "--resolve")
    assert done.returncode == 0, done.stderr
    theirs = dict(line.split("=", 1) for line in done.stdout.splitlines() if not line.startswith("#"))
    ours = {one.name: one.value for found in read_text("pod.yaml", text) for workload in found.workloads for one in workload.variables}
    assert list(ours) == names
    assert {name: (ours[name], theirs[name]) for name in names if ours[name] != theirs[name]} == {}
