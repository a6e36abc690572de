"""The expressions of an admission policy, letter by letter; tests/commands/test_policy.py evaluates them."""

from __future__ import annotations

from cgtune.advice.expressions import express_policy
from cgtune.model import Policy
from cgtune.outputs.admission import Scope, render_admission
from tests.support.kubernetes import read_objects


def test_who_is_left_alone_stands_in_the_expressions() -> None:
    """Windows, static pods, init containers that end, containers that set it themselves, and limits beyond any machine."""
    text = render_admission(Scope(name="cgtune", pods=(), namespaces=(), with_procs=False), express_policy(Policy()))
    spec = read_objects(text)[0]["spec"]
    conditions = [each["expression"] for each in spec["matchConditions"]]
    variables = {each["name"]: each["expression"] for each in spec["variables"]}
    assert conditions == [
        'object.spec.?os.?name.orValue("") != "windows"\n&& object.spec.?nodeSelector[?"kubernetes.io/os"].orValue("") != "windows"',
        'object.metadata.?annotations[?"kubernetes.io/config.mirror"].orValue("") == ""',
    ]
    assert variables["containers"].endswith('.filter(c, c.?restartPolicy.orValue("") == "Always")')
    assert 'e.name == "GOMEMLIMIT"\n  && !variables.mark.contains("," + c.name + ".GOMEMLIMIT="' in variables["memoryLimits"]
    assert "l.bytes >= 67108864 && l.bytes <= 70368744177664" in variables["memoryMiB"]
    assert "GOMAXPROCS" not in variables["set"]
