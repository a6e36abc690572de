"""``cgtune policy``: objects that Kubernetes takes, and in pods the values that cgtune itself recommends for the same limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cgtune.advice.expressions import express_policy
from cgtune.advice.injected import MARK
from cgtune.advice.named import parse_named
from cgtune.advice.policy import parse_policy
from cgtune.advice.variables import advise_named
from cgtune.commands.policy import PolicyOptions, parse_selector, render_policy
from cgtune.errors import UsageError
from cgtune.model import Policy
from tests.support.admitting import admit, stored
from tests.support.examples import drawn
from tests.support.inside import run
from tests.support.kubelet import parse_quantity
from tests.support.kubernetes import NEWEST, read_objects, violations
from tests.support.policypods import container, manifest_pods, objects, pod

_DEFAULT = Policy()


def given_to(admitted: dict[str, Any]) -> dict[str, dict[str, str]]:
    """GOMEMLIMIT and GOMAXPROCS of each container."""
    spec = admitted["spec"]
    return {
        each["name"]: {entry["name"]: entry.get("value", "") for entry in each.get("env", ()) if entry["name"].startswith("GOM")}
        for each in [*spec["containers"], *spec.get("initContainers", ())]
    }


def recommended(memory: str | None, cpu: str | None, policy: Policy = _DEFAULT) -> dict[str, str]:
    """What cgtune env would set for a container of these limits whose program is not known."""
    size = None if memory is None else parse_quantity(memory)
    milli = None if cpu is None else parse_quantity(cpu) * 1000
    named = parse_named(
        None,
        memory_limit=str(size) if size and size.denominator == 1 else None,
        memory_divisor="1",
        cpu_limit=str(milli) if milli else None,  # to Kubernetes a limit of 0 is none
        cpu_divisor="1m",
    )
    variables = advise_named(named, None, policy)
    return {variable.name: variable.value for variable in variables if variable.value is not None}


@pytest.mark.fetched
@pytest.mark.parametrize("version", ["1.36", NEWEST])
def test_kubernetes_takes_both_objects(version: str) -> None:
    """No field is there that the strict schema does not know, and none that has to be there is missing."""
    both = objects(gomaxprocs=True, namespace_selector="env=production,!legacy,team,tier!=batch")
    assert [violations(each, version) for each in both] == [[], []]


@pytest.mark.fetched
@pytest.mark.parametrize(
    ("memory", "cpu"),
    [
        *(("512Mi", "2500m"), ("0.5Gi", "0.1"), ("1Gi", "1"), ("64Mi", "999m"), ("63Mi", "2"), ("160Mi", "1001m"), ("161Mi", "64")),
        *(("200M", "1m"), ("1e9", "2.0"), ("128974848", "1.5"), ("4Ti", "400"), ("4Ki", "12e-1"), ("0", "0"), (None, "2"), ("1Gi", None)),
        (None, None),
    ],
)
@pytest.mark.parametrize(
    "options",
    [{}, {"rounding": "ceil"}, {"rounding": "floor", "headroom": "16.1"}, {"outside": "64Mi", "min_procs": 4, "reserve_cpu": "0.25"}],
)
def test_the_values_are_those_that_cgtune_recommends(memory: str | None, cpu: str | None, options: dict[str, Any]) -> None:
    """The API server computes what cgtune env says of the same limits, by the same policy."""
    policy = parse_policy(**options)
    admitted = admit(objects(gomaxprocs=True, policy=policy), pod(container(memory=memory, cpu=cpu)))
    assert given_to(admitted)["app"] == recommended(memory, cpu, policy)


@pytest.mark.fetched
@drawn(1)
@given(
    st.integers(4096, 1 << 46),
    st.integers(1, 65_535_000),
    st.integers(0, 900),
    st.sampled_from(["slack", "ceil", "floor"]),
)
def test_the_values_are_equal_for_any_limit(size: int, milli: int, tenths: int, rounding: str) -> None:
    """Whatever the limits, the share and the rounding are: CEL's whole numbers and cgtune's come to the same."""
    policy = parse_policy(rounding=rounding, headroom=f"{tenths / 10}")
    admitted = admit(objects(gomaxprocs=True, policy=policy), pod(container(memory=str(size), cpu=f"{milli}m")))
    assert given_to(admitted)["app"] == recommended(str(size), f"{milli}m", policy)


@pytest.mark.fetched
def test_the_manifest_cases() -> None:
    """Pods of real manifests: what is set there stays, what is not and has a limit gets the recommended value; all passes the schema."""
    both, count = objects(gomaxprocs=True), 0
    for name, before in manifest_pods():
        admitted = admit(both, before)
        assert violations(admitted) == []
        spec = before["spec"]
        sidecars = [each for each in spec.get("initContainers", ()) if each.get("restartPolicy") == "Always"]
        for each in [*spec["containers"], *sidecars]:
            limits = (each.get("resources") or {}).get("limits") or {}
            named = {entry["name"] for entry in each.get("env", ())}
            memory, cpu = (None if limits.get(key) is None else str(limits[key]) for key in ("memory", "cpu"))
            wanted = recommended(memory, cpu)
            added = {variable: value for variable, value in given_to(admitted)[each["name"]].items() if variable not in named}
            assert added == {variable: value for variable, value in wanted.items() if variable not in named}, name
            count += 1
    assert count >= 30


@pytest.mark.fetched
def test_who_is_left_alone() -> None:
    """Who sets the variable, by whatever source; init containers that end; Windows; what a node runs by itself; pods without the label."""
    both = objects(gomaxprocs=True)
    by_field = {"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}}
    sets = container(memory="512Mi", cpu="2", env=[by_field, {"name": "GOMAXPROCS", "value": "7"}])
    assert admit(both, pod(sets)) == stored(pod(sets))
    large = container(memory="512Mi")
    for untouched in (
        pod(large, labels={}),
        pod(large, os={"name": "windows"}),
        pod(large, nodeSelector={"kubernetes.io/os": "windows"}),
        pod(large, annotations={"kubernetes.io/config.mirror": "1"}),
        *(pod(container(memory=text)) for text in ("100m", "536870912.5", "100E", "8Ei", "65Ti")),
    ):
        assert given_to(admit(both, untouched))["app"] == {}, untouched
    assert given_to(admit(both, pod(large, os={"name": "linux"})))["app"] == {"GOMEMLIMIT": "460MiB"}
    runs = container("proxy", "256Mi", restartPolicy="Always")
    admitted = given_to(admit(both, pod(large, initContainers=[container("migrate", "1Gi"), runs])))
    assert admitted == {"app": {"GOMEMLIMIT": "460MiB"}, "migrate": {}, "proxy": {"GOMEMLIMIT": "230MiB"}}


@pytest.mark.fetched
def test_what_was_set_before_is_computed_again() -> None:
    """A webhook that changes a limit after the policy does not leave the old value: the pod says what the policy has set."""
    both = objects()
    first = admit(both, pod(container(memory="512Mi", env=[{"name": "A", "value": "1"}]), annotations={"of": "others"}))
    assert first["metadata"]["annotations"] == {"of": "others", MARK: "app.GOMEMLIMIT=460MiB"}
    assert first["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}, {"name": "GOMEMLIMIT", "value": "460MiB"}]
    first["spec"]["containers"][0]["resources"]["limits"]["memory"] = "256Mi"
    again = admit(both, first)
    assert again["metadata"]["annotations"][MARK] == "app.GOMEMLIMIT=230MiB"
    assert given_to(again)["app"] == {"GOMEMLIMIT": "230MiB"}
    again["spec"]["containers"][0]["env"][1]["value"] = "200MiB"  # somebody else's word now
    assert given_to(admit(both, again))["app"] == {"GOMEMLIMIT": "200MiB"}


@pytest.mark.fetched
@pytest.mark.parametrize(
    ("selector", "labels", "is_meant"),
    [
        ("team=shop", {"team": "shop"}, True),
        ("team==shop", {"team": "bank"}, False),
        ("team!=shop", {}, True),
        ("team, !legacy", {"team": "x"}, True),
        ("team,!legacy", {"team": "x", "legacy": ""}, False),
        ("a.b/c=", {"a.b/c": ""}, True),
    ],
)
def test_labels_choose(selector: str, labels: dict[str, str], is_meant: bool) -> None:
    """The labels of pods, and of namespaces, are taken as kubectl takes them."""
    large = container(memory="512Mi")
    assert ("GOMEMLIMIT" in given_to(admit(objects(selector=selector), pod(large, labels=labels)))["app"]) is is_meant
    by_namespace = admit(objects(namespace_selector=selector), pod(large), labels)
    assert ("GOMEMLIMIT" in given_to(by_namespace)["app"]) is is_meant


@pytest.mark.parametrize(
    "words",
    [
        *(
            ["--selector", text]
            for text in (
                "",
                "=x",
                "a=b=c",
                "a b=c",
                'x"}=y',
                "a\n=b",
                "-a=b",
                "a-=b",
                "a=-",
                "a/b/c=d",
                "A.b/c=d",
                "a" * 64,
                "a=" + "b" * 64,
                "a=b,",
            )
        ),
        *(["--namespace-selector", text] for text in ("env in (a)", "!", "!!a")),
        *(["--name", text] for text in ("", "Cgtune", "a_b", "a..b", "-a", "a\nb: c", "a" * 254)),
        *(["--headroom", text] for text in ("nan", "101", "-1", "100", "inf", "")),
        *(["--policy", text] for text in ("smallest-limit=nan", "x=1")),
        *(["--rounding", "up"], ["--reserve-cpu", "x"], ["--min-procs", "0"]),
        *(["--outside", "64Ti"], ["--policy", "smallest-limit=65Ti"], ["--reserve-cpu", "65536"]),  # no limit is large enough
        *(["--output", text] for text in ("-", "", "/")),
    ],
    ids=repr,
)
def test_what_is_no_use_is_refused_in_one_line(words: list[str]) -> None:
    """Nothing that was typed gets into the objects unless Kubernetes takes it."""
    done = run("policy", *words)
    assert (done.returncode, done.stdout) == (2, "")
    if "--rounding" not in words and "--min-procs" not in words:
        assert done.stderr.count("\n") == 1
        assert "example" in done.stderr or "leave" in done.stderr


@drawn(1)
@given(st.text(max_size=30))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    """What is taken consists of labels alone."""
    try:
        requirements = parse_selector(text, "--selector")
    except UsageError:
        return
    for required in requirements:
        assert set(required.key + (required.value or "")) <= set(map(chr, range(128))) - set("\"'\n{}[] :#")


def test_the_program_prints_or_writes_them(tmp_path: Path) -> None:
    """On stdout, or into a file, which says that it is written; a second run finds it as it is."""
    printed = run("policy")
    assert (printed.returncode, printed.stderr) == (0, "")
    file = tmp_path / "policy.yaml"
    first, second = run("policy", "--output", str(file)), run("policy", "--output", str(file))
    assert (first.returncode, first.stdout, second.returncode) == (0, "", 0)
    assert "is written" in first.stderr
    assert "says so already" in second.stderr
    assert file.read_text() == printed.stdout
    assert json.loads(json.dumps(read_objects(printed.stdout)))[1]["spec"] == {"policyName": "cgtune"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"headroom": "16.1"},
        {"outside": "1Gi"},
        {"numbers": ["smallest-limit=100Mi"]},
        {"numbers": ["smallest-limit=200M"], "outside": "90M"},
    ],
    ids=repr,
)
def test_from_which_limit_on_a_value_is_set(options: dict[str, Any]) -> None:
    """The first lines name the least limit of which GOMEMLIMIT is made; a byte less is too little."""
    policy = parse_policy(**options)
    least = express_policy(policy).set_from_bytes
    assert ["GOMEMLIMIT" in recommended(str(size), None, policy) for size in (least, least - 1)] == [True, False]
    assert f"; for limits from {-(-least // (1 << 20))} MiB on.\n" in render_policy(PolicyOptions(name="a", selector="b", policy=policy))
