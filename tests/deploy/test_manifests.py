"""The manifests: valid Kubernetes, the same from kustomize and from the chart, and no right that is not needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import cgtune
from tests.deploy.manifests import (
    CHART,
    DEPLOY,
    VALUES,
    Object,
    cgtune_of,
    chart,
    chart_with_sidecar,
    containers,
    everything,
    kustomize,
    only,
    pod_specs,
)
from tests.support import kubernetes
from tests.support.command import ROOT

pytestmark = pytest.mark.fetched

_Render = Callable[[], tuple[Object, ...]]
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|Ki|Mi|Gi)?")
_SIDECARS = ("sidecar", "prometheus-operator")


@pytest.mark.parametrize("version", [kubernetes.OLDEST, kubernetes.NEWEST])
def test_every_object_is_valid(version: str) -> None:
    """Whatever kustomize and the chart make, the strict schemas of the oldest and the newest Kubernetes accept it."""
    objects = dict(everything())
    assert len(objects) > 40
    assert {name: told for name, each in objects.items() if (told := kubernetes.violations(each, version))} == {}


def test_what_schemas_do_not_say() -> None:
    """A selector matches its pods, names are told apart, every mount has its volume, a probe's port is there, quantities are quantities."""
    workloads = [each for _, each in everything() if each["kind"] in ("Deployment", "StatefulSet", "DaemonSet")]
    assert len(workloads) > 10
    for each in workloads:
        metadata, spec = each["spec"]["template"]["metadata"], each["spec"]["template"]["spec"]
        assert each["spec"]["selector"]["matchLabels"].items() <= metadata["labels"].items()
        assert len({one["name"] for one in containers(spec)}) == len(containers(spec))
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        for one in containers(spec):
            assert {mount["name"] for mount in one.get("volumeMounts", [])} <= volumes
            ports = {port["name"] for port in one.get("ports", [])}
            assert all(len(port) <= 15 for port in ports), "a port's name has at most 15 characters"
            assert {one[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe", "startupProbe") if probe in one} <= ports
            for sizes in one.get("resources", {}).values():
                assert [size for size in sizes.values() if not _QUANTITY.fullmatch(size)] == []
            assert len({variable["name"] for variable in one.get("env", [])}) == len(one.get("env", []))


def _twins() -> set[str]:
    from cgtune.commands.options import load_command

    return {option.twin for option in load_command("serve").options}


def test_cgtune_is_told_only_what_it_understands() -> None:
    """Each CGTUNE_* variable of a manifest stands for an option of cgtune serve, and it listens on the port that is named."""
    twins = _twins()
    for name, each in everything():
        for _, spec in pod_specs((each,)):
            found = [one for one in containers(spec) if one["name"] == "cgtune"]
            for one in found:
                environ = {variable["name"]: variable["value"] for variable in one["env"]}
                assert set(environ) <= twins, name
                assert one["args"] == ["serve"], name
                assert environ["CGTUNE_LISTEN"] == f":{one['ports'][0]['containerPort']}", name


def _node_agent(objects: tuple[Object, ...]) -> Object:
    spec: Object = only(objects, "DaemonSet")["spec"]["template"]["spec"]
    return spec


def test_the_node_agent_is_one_from_kustomize_and_chart() -> None:
    """The same container with the same rights, probes and folders; but for names, and for options that the chart always names."""
    ours, charts = _node_agent(kustomize()), _node_agent(chart())
    one, other = cgtune_of(ours), cgtune_of(charts)
    names = ("securityContext", "volumeMounts", "livenessProbe", "readinessProbe", "resources", "ports", "args", "image")
    assert {name: one[name] for name in names} == {name: other[name] for name in names}
    assert [variable for variable in one["env"] if variable not in other["env"]] == []
    for name in ("volumes", "tolerations", "nodeSelector", "terminationGracePeriodSeconds", "automountServiceAccountToken"):
        assert ours[name] == charts[name], name


def test_the_sidecar_is_one_from_kustomize_and_chart() -> None:
    """The same container, with the same rights, plain and for any user."""
    pairs = (
        (("sidecar", "prometheus-operator"), "as it comes", True),
        (("sidecar", "sidecar-any-user"), "no node agent", False),
    )
    for components, values, is_confined in pairs:
        one = cgtune_of(only(kustomize(*components), "Deployment", "with-deployment")["spec"]["template"]["spec"])
        other = cgtune_of(only(chart_with_sidecar(values), "Deployment")["spec"]["template"]["spec"])
        for name in ("securityContext", "livenessProbe", "resources", "ports", "args", "restartPolicy"):
            assert one[name] == other[name], name
        assert one["securityContext"]["runAsNonRoot"] is is_confined


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("as it comes", {}),
        ("everything different", {"runAsUser": 1000, "runAsGroup": 1000}),
        ("no priority class", {"runAsUser": 0, "runAsGroup": 0}),
    ],
)
def test_the_user_of_the_sidecar_is_the_pods(values: str, expected: dict[str, int]) -> None:
    """The chart names one only where its values do; root is then no contradiction to runAsNonRoot."""
    rights = cgtune_of(only(chart_with_sidecar(values), "Deployment")["spec"]["template"]["spec"])["securityContext"]
    assert {name: rights[name] for name in ("runAsUser", "runAsGroup") if name in rights} == expected
    assert rights.get("runAsNonRoot", False) is (expected.get("runAsUser") != 0)


@pytest.mark.parametrize("render", [kustomize, chart], ids=["kustomize", "chart"])
def test_the_node_agent_may_do_nothing_that_it_need_not(render: _Render) -> None:
    """It reads the host's files through mounts that are read-only to the bottom, with two capabilities, and reaches no process."""
    objects = render()
    spec = _node_agent(objects)
    one = cgtune_of(spec)
    assert [spec.get(name, False) for name in ("hostPID", "hostNetwork", "hostIPC", "automountServiceAccountToken")] == [False] * 4
    rights = one["securityContext"]
    assert (rights["privileged"], rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, False, True)
    assert rights["capabilities"] == {"drop": ["ALL"], "add": ["SYS_PTRACE", "DAC_READ_SEARCH"]}
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in spec["volumes"]}
    assert set(paths.values()) == {"/proc", "/sys/fs/cgroup", "/sys/devices/system/cpu"}
    for mount in one["volumeMounts"]:
        assert (mount["readOnly"], mount["recursiveReadOnly"]) == (True, "IfPossible")
        assert mount["mountPath"] == "/host" + paths[mount["name"]]
    assert {"operator": "Exists"} in spec["tolerations"]
    assert only(objects, "PriorityClass")["preemptionPolicy"] == "Never"
    assert spec["priorityClassName"] == only(objects, "PriorityClass")["metadata"]["name"]
    assert spec["serviceAccountName"] == only(objects, "ServiceAccount")["metadata"]["name"]


def test_the_sidecar_has_no_privilege_and_nothing_waits_for_it() -> None:
    """A sidecar container without root, capabilities, or a probe that counts for the pod; where the label is missing nothing is added."""
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        workload = only(kustomize(*_SIDECARS), kind, f"with-{kind.lower()}")
        spec = workload["spec"]["template"]["spec"]
        one = cgtune_of(spec)
        assert spec["shareProcessNamespace"] is True
        assert one in spec["initContainers"]
        assert one["restartPolicy"] == "Always"
        assert "readinessProbe" not in one
        assert "startupProbe" not in one
        rights = one["securityContext"]
        assert (rights["runAsNonRoot"], rights["privileged"], rights["allowPrivilegeEscalation"]) == (True, False, False)
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert {"runAsUser", "runAsGroup"} & rights.keys() == set()  # they stand on the pod, where they are the program's too
        assert one["image"] == "registry.example.com/cgtune:7"
        assert {each["name"] for each in containers(spec)} == {"cgtune", "migrate", "shop"}
    without = only(kustomize(*_SIDECARS), "Deployment", "without")["spec"]["template"]["spec"]
    assert "shareProcessNamespace" not in without
    assert [each["name"] for each in containers(without)] == ["migrate", "shop"]


@pytest.mark.parametrize(
    ("agents", "sidecars", "monitors"),
    [
        (kustomize, lambda: kustomize(*_SIDECARS), lambda: kustomize(*_SIDECARS)),
        (lambda: chart("everything on"), lambda: chart_with_sidecar("everything on"), lambda: chart("everything on")),
    ],
    ids=["kustomize", "chart"],
)
def test_what_is_to_be_scraped_is(agents: _Render, sidecars: _Render, monitors: _Render) -> None:
    """Every pod with cgtune in it is selected by exactly one PodMonitor, whose port it has; a pod without is selected by none."""
    selectors = [each["spec"] for each in monitors() if each["kind"] == "PodMonitor"]
    assert len(selectors) == 2
    for metadata, spec in pod_specs((*agents(), *sidecars())):
        fits = [each for each in selectors if each["selector"]["matchLabels"].items() <= metadata["labels"].items()]
        found = [one for one in containers(spec) if one["name"] == "cgtune"]
        assert len(fits) == len(found)
        for monitor, one in zip(fits, found, strict=True):
            assert {endpoint["port"] for endpoint in monitor["podMetricsEndpoints"]} <= {port["name"] for port in one["ports"]}


def test_versions_agree() -> None:
    """Chart, manifests and Dockerfile speak of this version of cgtune."""
    words = kubernetes.read_objects((CHART / "Chart.yaml").read_text())[0]
    assert (words["appVersion"], words["version"]) == (cgtune.__version__, cgtune.__version__)
    assert cgtune_of(_node_agent(kustomize()))["image"] == f"cgtune:{cgtune.__version__}"
    assert cgtune_of(only(chart_with_sidecar(), "Deployment")["spec"]["template"]["spec"])["image"] == f"cgtune:{cgtune.__version__}"
    assert f"ARG VERSION={cgtune.__version__}\n" in (DEPLOY / "Dockerfile").read_text()
    assert words["kubeVersion"] == f">={kubernetes.OLDEST}.0-0"


def test_the_chart_passes_its_own_lint() -> None:
    """helm lint --strict has nothing against the chart, with any of the values."""
    for values in VALUES.values():
        flags = [word for name, value in values.items() for word in ("--set-json", f"{name}={json.dumps(value)}")]
        done = kubernetes.run("helm", "lint", "--strict", CHART, *flags)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        "nodeAgent.enbaled=true",
        "serve.intervall=15s",
        "serve.interval=15",
        "serve.interval=50ms",
        "serve.interval=61m",
        "serve.extraEnv[0].name=CGTUNE_LISTEN",
        "image.repository=my registry/cgtune",
        "nodeAgent.podLabels.app\\.kubernetes\\.io/name=mine",
        "prometheusRule.labels.helm\\.sh/chart=mine",
        "serve.port=80",
        "serve.failOn=never",
        "image.repository=",
        "sidecar.runAsUser=root",
        "sidecar.runAsUser=2147483648",
        "podMonitor.enabled=perhaps",
    ],
)
def test_a_wrong_value_is_refused(wrong: str) -> None:
    """A value that is misspelt, that cannot be, or that the chart sets itself is refused by its name, before anything is applied."""
    done = kubernetes.run("helm", "template", CHART, "--set", wrong)
    assert done.returncode != 0
    assert re.split(r"[.=[]", wrong)[1] in done.stderr


def _leaves(values: Any, schema: Any, path: str = "") -> list[str]:
    """The values that the schema does not name."""
    if not isinstance(values, dict) or "properties" not in schema:
        return []
    missing = [f"{path}{name}" for name in values if name not in schema["properties"]]
    return missing + [each for name in values for each in _leaves(values[name], schema["properties"].get(name, {}), f"{path}{name}.")]


def test_values_are_described() -> None:
    """The schema names every value; every block of values.yaml, and every value that does not speak for itself, has a comment above."""
    (values,) = kubernetes.read_objects((CHART / "values.yaml").read_text())
    assert _leaves(values, json.loads((CHART / "values.schema.json").read_text())) == []
    lines = (CHART / "values.yaml").read_text().splitlines()
    bare = [line for before, line in zip(["", *lines], lines, strict=False) if re.match(r"\w+:$", line) and not before.startswith("#")]
    assert bare == ["image:"]  # repository, tag and policy below it have their own


def test_the_notes_are_for_these_values() -> None:
    """What helm says after an installation names the folder rights with a node agent, and the template without one."""
    said = kubernetes.run("helm", "install", "watch", CHART, "--dry-run=client", "--namespace", "tools").stdout.split("NOTES:")[1]
    assert "kubectl label namespace tools pod-security.kubernetes.io/enforce=privileged" in said
    assert "Nothing scrapes it yet" in said
    flags = ["--set", "nodeAgent.enabled=false,podMonitor.enabled=true,image.repository=registry.example.com/cgtune"]
    said = kubernetes.run("helm", "install", "watch", CHART, "--dry-run=client", *flags).stdout.split("NOTES:")[1]
    assert "cgtune.sidecar" in said
    assert "kubectl" not in said
    assert "Nothing scrapes it yet" not in said
    assert "no registry has" not in said


def test_the_copies_are_copies(tmp_path: Path) -> None:
    """scripts/deploy-copies would change nothing."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(ROOT / "scripts" / "deploy-copies", tmp_path / "scripts")
    copies = ("helm/cgtune/files/cgtune.rules.yaml", "helm/cgtune/files/cgtune.json", "kustomize/prometheus-operator/prometheusrule.yaml")
    for name in copies:
        (tmp_path / "deploy" / name).unlink()
    subprocess.run([script], check=True)
    assert [name for name in copies if (tmp_path / "deploy" / name).read_bytes() != (DEPLOY / name).read_bytes()] == []


def test_the_rules_arrive_whole() -> None:
    """The objects for the operator hold the rules' file as YAML reads it, templates for Prometheus untouched; the dashboard likewise."""
    (rules,) = kubernetes.read_objects((DEPLOY / "prometheus" / "cgtune.rules.yaml").read_text())
    assert only(kustomize(*_SIDECARS), "PrometheusRule")["spec"] == rules
    assert only(chart("everything on"), "PrometheusRule")["spec"] == rules
    board = json.loads((DEPLOY / "grafana" / "cgtune.json").read_text())
    assert json.loads(only(chart("everything on"), "ConfigMap")["data"]["cgtune.json"]) == board


def _effective_rights(spec: Object, one: Object) -> Object:
    """A container's security context, with what its pod's adds to it."""
    rights: Object = spec.get("securityContext", {}) | one.get("securityContext", {})
    return rights


def _assert_is_confined(place: str, spec: Object, one: Object) -> None:
    """Nobody's user, or root with two capabilities at the most; and nothing else that Kubernetes can take away."""
    rights = _effective_rights(spec, one)
    kept = set(rights["capabilities"].get("add", ()))
    if not rights.get("runAsNonRoot"):
        # Root, as Kubernetes gives an added capability to no other user; or because the user's own values say so, and then without any.
        assert (rights["runAsUser"], kept <= {"SYS_PTRACE", "DAC_READ_SEARCH"}) == (0, True), place
    else:
        assert kept == set(), place
        assert rights.get("runAsUser") != 0, place
    assert rights["capabilities"]["drop"] == ["ALL"], place
    assert rights["readOnlyRootFilesystem"] is True, place
    assert rights["allowPrivilegeEscalation"] is False, place
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}, place
    assert not rights.get("privileged"), place
    assert not any(spec.get(name) for name in ("hostPID", "hostNetwork", "hostIPC")), place


def test_every_container_is_confined() -> None:
    """Each cgtune that kustomize or the chart makes, with every set of values, runs with the least that Kubernetes can be asked for."""
    found = 0
    for name, each in everything():
        for _, spec in pod_specs((each,)):
            for one in (one for one in containers(spec) if one["name"] == "cgtune"):
                _assert_is_confined(name, spec, one)
                found += 1
    assert found > 10


@pytest.mark.parametrize("path", sorted((DEPLOY / "examples").glob("pod-*.yaml")), ids=lambda path: path.stem)
def test_every_container_of_an_example_is_confined(path: Path) -> None:
    """Those that stand for a user's own program too: an example is copied whole."""
    spec = yaml.safe_load(path.read_text())["spec"]
    assert {one["name"] for one in containers(spec)} == {"cgtune", "app"}
    for one in containers(spec):
        _assert_is_confined(f"{path.name}: {one['name']}", spec, one)
    assert spec["automountServiceAccountToken"] is False


def test_the_examples_without_kubernetes_are_confined() -> None:
    """Compose and plain docker: a read-only root, no capability, no way to new privileges; the users are the images' own."""
    for service in yaml.safe_load((DEPLOY / "examples" / "compose.yaml").read_text())["services"].values():
        assert (service["read_only"], service["cap_drop"], service["security_opt"]) == (True, ["ALL"], ["no-new-privileges"])
    script = (DEPLOY / "examples" / "docker-run.sh").read_text().replace("\\\n", " ")
    runs = [line for line in script.splitlines() if re.search(r"^\S+ run --", line)]
    assert len(runs) == 2
    for line in runs:
        assert all(word in line for word in ("--read-only", "--cap-drop ALL", "--security-opt no-new-privileges"))
    for name in ("Dockerfile", "examples/Dockerfile"):
        assert re.findall(r"^USER (\d+):(\d+)$", (DEPLOY / name).read_text(), re.MULTILINE) == [("65532", "65532")]
