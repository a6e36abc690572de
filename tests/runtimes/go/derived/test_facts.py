"""What of a derivation becomes facts of a runtime."""

from __future__ import annotations

import pytest

from cgtune.model import GoDerived
from cgtune.runtimes.go.derived.derive import derive
from cgtune.runtimes.go.derived.facts import derived_facts
from cgtune.runtimes.go.derived.inputs import GoInputs
from cgtune.runtimes.go.program.version import parse_version


def _facts(version: str, *environ: tuple[str, str]) -> GoDerived:
    inputs = GoInputs(version=parse_version(version), environ=environ, affinity_count=8)
    return derived_facts(inputs, derive(inputs))


def test_the_first_entry_of_a_variable_counts() -> None:
    """As gogetenv takes it; other variables are nobody's business."""
    facts = _facts("go1.27.3", ("GOMAXPROCS", "3"), ("PASSWORD", "secret"), ("GOGC", ""), ("GOMAXPROCS", "5"), ("GOGC", "50"))
    assert dict(facts.variables or ()) == {"GOMAXPROCS": "3", "GOGC": ""}
    assert [facts.variable(name) for name in ("GOMAXPROCS", "GOGC", "GODEBUG", "PASSWORD")] == ["3", "", None, None]


@pytest.mark.parametrize(
    ("version", "procs", "gogc", "ignored"),
    [
        ("go1.27.3", "0", "0", ()),
        ("go1.27.3", "", "", ()),
        ("go1.27.3", "+4", "off", ()),
        ("go1.25.5", "+4", "off", ("GOMAXPROCS",)),
        ("go1.27.3", "4.0", "OFF", ("GOMAXPROCS", "GOGC")),
        ("go1.27.3", "-1", "-5", ("GOMAXPROCS",)),
    ],
)
def test_what_a_version_ignores(version: str, procs: str, gogc: str, ignored: tuple[str, ...]) -> None:
    """What is no number to it and was meant to be one: nothing and 0 ask for the default."""
    assert _facts(version, ("GOMAXPROCS", procs), ("GOGC", gogc)).ignored == ignored
