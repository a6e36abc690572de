"""What a MutatingAdmissionPolicy makes of a pod, for the tests: CEL's own runtime in C++ (cel-expr-python) evaluates its expressions.

What that runtime lacks stands here, written from Kubernetes' documentation and tried against the plugin of API server 1.36 itself:
quantities, ``variables``, and typed objects, which are taken as maps: so field names and types are held against the strict schema of the
pod that comes out. Merged as by server-side apply: containers and env by name, annotations by key. Not shown here: Kubernetes' own type
checker, its bounds on cost, and what the API server does before and after. Strict: what it does not know it refuses.
"""

from __future__ import annotations

import functools
import math
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from tests.support.kubelet import parse_quantity
from tests.support.kubernetes import fetch_wheel
from tests.support.needs import only_where
from tests.support.toolchains import cache

_VERSION = "0.1.3"
_WHEELS = {
    (3, 11): "292ae505727bfcfc1986c8bf653c2580faa06f46af56b9087060eafdf2a08652",
    (3, 12): "ab3b0a418b3911177a77ee69fef1f4199b4a053e2ddd1c339119e58c9cd72824",
    (3, 13): "aa80370ed20cee201a7671634f9c58dc17fd93f15addf680d7e0393969bc51b3",
}
_MOST = (1 << 63) - 1


@functools.cache
def _runtime() -> Any:
    """The package's module ``cel``."""
    major, minor = sys.version_info[:2]
    only_where((major, minor) in _WHEELS, f"cel-expr-python {_VERSION} has no wheel for Python {major}.{minor}")
    place = cache() / "cel" / f"{_VERSION}-{major}.{minor}"
    if not (place / "cel_expr_python").is_dir():
        tag = f"cp{major}{minor}-cp{major}{minor}-manylinux_2_27_x86_64.manylinux_2_28_x86_64"
        with zipfile.ZipFile(fetch_wheel("cel-expr-python", _VERSION, _WHEELS[major, minor], tag)) as wheel:
            wheel.extractall(place)
    sys.path.append(str(place))
    try:
        from cel_expr_python import cel  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(place))
    return cel


@functools.cache
def _environment() -> Any:
    """CEL with optionals, strings and Kubernetes' quantities; a quantity is its text here, as the runtime takes no types of ours."""
    cel = _runtime()
    sys.path.append(str(cache() / "cel" / f"{_VERSION}-{sys.version_info[0]}.{sys.version_info[1]}"))
    try:
        from cel_expr_python.ext import ext_optional, ext_strings  # type: ignore[import-not-found]
    finally:
        sys.path.pop()
    kinds, rows = cel.Type, []

    def add(name: str, result: Any, function: Any, *, count: int = 1, member: bool = True) -> None:
        rows.append(cel.FunctionDecl(name, [cel.Overload(f"{name}_of", result, [kinds.STRING] * count, member, function)]))

    add("quantity", kinds.STRING, _checked, member=False)
    add("isInteger", kinds.BOOL, _is_integer)
    add("asInteger", kinds.INT, _as_integer)
    add("asApproximateFloat", kinds.DOUBLE, lambda text: float(parse_quantity(text)))
    add("isGreaterThan", kinds.BOOL, lambda one, other: parse_quantity(one) > parse_quantity(other), count=2)
    add("isLessThan", kinds.BOOL, lambda one, other: parse_quantity(one) < parse_quantity(other), count=2)
    extensions = [ext_optional.ExtOptional(), ext_strings.ExtStrings()]
    return cel.NewEnv(variables={"object": kinds.DYN, "variables": kinds.DYN}, extensions=extensions, functions=rows)


def _checked(text: str) -> str:
    parse_quantity(text)
    return text


def _is_integer(text: str) -> bool:
    number = parse_quantity(text)
    return number.denominator == 1 and abs(number) <= _MOST


def _as_integer(text: str) -> int:
    if not _is_integer(text):
        raise ValueError(f"{text} is no integer")
    return int(parse_quantity(text))


@functools.cache
def _compile(expression: str) -> Any:
    maps = re.sub(r"\bObject(?:\.\w+)*\{", "{", expression)
    return _environment().compile(re.sub(r"([{,]\s*)([A-Za-z]+):", r'\1"\2":', maps))


def evaluate(expression: str, pod: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    """The plain value of one expression of a policy."""
    value = _compile(expression).eval(data={"object": pod, "variables": variables})
    kinds = _runtime().Type
    assert value.type() not in (kinds.ERROR, kinds.UNKNOWN), f"{expression}: {value.plain_value()}"
    return value.plain_value()


def stored(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod as expressions see it: what is null is not there, each quantity is spelled as the API server spells it."""
    seen: dict[str, Any] = _without_null(pod)
    for container in [*seen["spec"]["containers"], *seen["spec"].get("initContainers", ())]:
        for amounts in container.get("resources", {}).values():
            for name, text in list(amounts.items()):
                amounts[name] = spell(parse_quantity(str(text)))
    return seen


def _without_null(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_null(each) for each in value]
    return {key: _without_null(each) for key, each in value.items() if each is not None} if isinstance(value, Mapping) else value


def spell(number: Fraction) -> str:
    """A quantity in digits, or thousandths; larger than 64 bits with a suffix of ten, as such are kept."""
    if abs(number) > _MOST:
        return f"{math.ceil(number / 10**18)}E"
    return str(number.numerator) if number.denominator == 1 else f"{number * 1000}m"


def admit(objects: Sequence[Mapping[str, Any]], pod: Mapping[str, Any], namespace: Mapping[str, str] = {}) -> dict[str, Any]:
    """The pod as the policy and its binding leave it; ``namespace`` are the labels of its namespace."""
    policy, binding = objects
    assert (policy["kind"], binding["kind"]) == ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")
    assert binding["spec"] == {"policyName": policy["metadata"]["name"]}
    spec, seen = policy["spec"], stored(pod)
    constraints = spec["matchConstraints"]
    assert constraints["resourceRules"] == [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    if not _is_selected(constraints["objectSelector"], seen["metadata"].get("labels", {})):
        return seen
    if not _is_selected(constraints["namespaceSelector"], namespace):
        return seen
    if not all(evaluate(condition["expression"], seen, {}) for condition in spec["matchConditions"]):
        return seen
    variables: dict[str, Any] = {}
    for variable in spec["variables"]:
        variables[variable["name"]] = evaluate(variable["expression"], seen, variables)
    for mutation in spec["mutations"]:
        assert mutation["patchType"] == "ApplyConfiguration"
        _merge(seen, evaluate(mutation["applyConfiguration"]["expression"], seen, variables))
    return seen


def _is_selected(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/: NotIn takes objects without the label as well."""
    assert set(selector) <= {"matchExpressions"}
    for required in selector.get("matchExpressions", ()):
        key, operator = required["key"], required["operator"]
        is_meant = labels.get(key) in required["values"] if operator in ("In", "NotIn") else key in labels
        if is_meant is not {"In": True, "Exists": True, "NotIn": False, "DoesNotExist": False}[operator]:
            return False
    return True


def _merge(into: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for key, value in patch.items():
        if isinstance(value, Mapping):
            _merge(into.setdefault(key, {}), value)
        elif isinstance(value, list):
            present = into.setdefault(key, []) if value else into.get(key, [])
            for item in value:  # all that is set here is merged by name
                (found,) = [each for each in present if each["name"] == item["name"]] or [None]
                if found is None:
                    present.append(dict(item))
                else:
                    _merge(found, item)
        else:
            into[key] = value
