"""What of a derivation goes into the facts of a runtime, the same for a live process and for a prediction."""

from __future__ import annotations

from cgtune.model import QuotaSeen
from cgtune.runtimes.go.derived.grammar import parse_godebug, parse_gogc, parse_gomaxprocs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.runtimes.go.derived.derive import GoDerivation
    from cgtune.runtimes.go.derived.inputs import GoInputs
    from cgtune.runtimes.go.derived.limitfile import LimitSeen

_VARIABLES = ("GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG")
_REMOVAL_KILLS = 27  # internal/godebugs: the first version that ends a program for a setting it has dropped

#: Go ignores these as well, and nobody means anything else by them than "the default".
_MEANS_DEFAULT = ("", "0")


def derived_facts(inputs: GoInputs, derivation: GoDerivation) -> dict[str, object]:
    """The fields of GoFacts that follow from a derivation: minor, variables, ignored, dies, aware, updates, who decided, and seen."""
    minor = None if inputs.version is None else inputs.version.minor
    variables = None
    if inputs.environ is not None:
        variables = {name: value for name, value in reversed(inputs.environ) if name in _VARIABLES}  # the first entry counts
    seen = derivation.limit
    return {
        "minor": minor,
        "variables": variables,
        "ignored": _ignored(variables or {}, minor),
        "dies": derivation.dies,
        "dies_of": derivation.dies_of,
        "aware": derivation.aware.on,
        "aware_from": derivation.aware.source,
        "updates": derivation.updates.on,
        "updates_from": derivation.updates.source,
        "seen": None if seen is None else quota_seen(seen),
        "removed_godebug": parse_godebug((variables or {}).get("GODEBUG", ""), _REMOVAL_KILLS).removed,
    }


def quota_seen(limit: LimitSeen) -> QuotaSeen:
    """What of the look-up goes into the facts."""
    return QuotaSeen(files=limit.files, quota_us=limit.quota_us, period_us=limit.period_us, cause=limit.cause, why=limit.why)


def _ignored(variables: dict[str, str], minor: int | None) -> tuple[str, ...]:
    if minor is None:
        return ()
    names = []
    for name, parse in (("GOMAXPROCS", parse_gomaxprocs), ("GOGC", parse_gogc)):
        text = variables.get(name, "")
        if text not in _MEANS_DEFAULT and parse(text, minor) is None:
            names.append(name)
    return tuple(names)
