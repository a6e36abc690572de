"""Which edits mend a finding of a rule for processes, and which of them would change more than one container. Pure."""

from __future__ import annotations

from cgtune.advice.quantities import parse_quantity
from cgtune.lint.edits import replace_scalar, set_variable
from cgtune.numbers import format_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.lint.model import Edit, Fix, LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.manifests.workload import Place, Workload

#: Their advice is a variable that is to be set, or to go.
_BY_VARIABLE = (
    *("gomemlimit-malformed", "gomemlimit-unset", "gomemlimit-exceeds-limit", "gomemlimit-exceeds-high", "gomemlimit-near-limit"),
    *("gomemlimit-too-small", "gomaxprocs-exceeds-quota", "gomaxprocs-malformed", "gomaxprocs-pinned", "go-not-container-aware"),
    *("awareness-disabled-by-env", "godebug-removed-setting", "gc-off-without-limit"),
)
_SUFFIXES = ("Ki", "Mi", "Gi", "Ti", "k", "M", "G", "T")


def mend(case: LintCase, finding: LintFinding) -> Fix | None:
    """The edits that follow the advice; None if there are none, or if they depend on a Go version that nobody named."""
    text, workload = case.text, case.workload
    if text is None or finding.rule not in _BY_VARIABLE or finding.go is not None:
        return None
    there = workload.variable("GOMEMLIMIT")
    if finding.rule == "gomemlimit-malformed" and there is not None and there.value is not None and (meant := _meant(there.value)):
        return replace_scalar(text, there.place, there.value, meant, "safe", is_yaml=workload.kind == "kubernetes")
    wanted = [one for one in finding.advice if one.variable is not None]
    if not wanted:
        return None
    # a number is right for every version, and no variable only for those that follow the quota by themselves
    one = next((each for each in wanted if each.variable == wanted[0].variable and each.value is not None), wanted[0])
    variable = workload.variable(one.variable or "")
    if variable is not None and (variable.origin not in ("literal", "field") or variable.place.file != workload.place.file):
        return None
    return set_variable(text, workload, one.variable or "", one.value, "unsafe")


def _meant(value: str) -> str | None:
    """A quantity of Kubernetes as Go spells it: 1024MiB for 1024Mi."""
    number = parse_quantity(value) if value.endswith(_SUFFIXES) else None
    if number is None or number[0] <= 0 or number[0] % number[1]:
        return None
    return f"{value}B" if value[:-2].isdecimal() and value.endswith(_SUFFIXES[:4]) else format_limit(number[0] // number[1])


def drop_shared(findings: Sequence[LintFinding], workloads: Sequence[Workload], text: str) -> list[LintFinding]:
    """The findings of one document without fixes that would change something else: a part that several share by an anchor is edited only if
    all of them want the same there, and only if all that refer to it are containers.
    """
    wanted: dict[Edit, set[tuple[str, str]]] = {}
    for finding in findings:
        for edit in () if finding.fix is None else finding.fix.edits:
            wanted.setdefault(edit, set()).add((finding.subject, finding.container))
    shared = {edit for edit, wanting in wanted.items() if not _is_own(edit, wanting, workloads, text)}
    return [
        finding.replace(fix=None) if finding.fix is not None and not shared.isdisjoint(finding.fix.edits) else finding
        for finding in findings
    ]


def _is_own(edit: Edit, wanting: set[tuple[str, str]], workloads: Sequence[Workload], text: str) -> bool:
    users = [(one.subject, one.container) for one in workloads if _uses(one, edit)]
    span = workloads[0].document
    aliases = _count_aliases(text[span.start : span.end], edit.start - span.start)
    return set(users) <= wanting and aliases < max(len(users), 1)


def _uses(workload: Workload, edit: Edit) -> bool:
    places = [workload.env_place, *(place for variable in workload.variables for place in (variable.entry, variable.place))]
    return any(place is not None and _is_around(place, edit) for place in places)


def _is_around(place: Place, edit: Edit) -> bool:
    return place.file == edit.file and place.start <= edit.end and edit.start <= place.end


def _count_aliases(document: str, at: int) -> int:
    """How many aliases refer to an anchor that may enclose a character: one above it, with no line between that is less indented."""
    import re

    if "*" not in document:
        return 0
    count = 0
    for anchor in re.finditer(r"&([^\s,\[\]{}]+)", document):
        if anchor.start() > at:
            break
        line = document[document.rfind("\n", 0, anchor.start()) + 1 : anchor.start()]
        depth = len(line) - len(line.lstrip(" "))
        between = document[anchor.end() : at].split("\n")[1:]
        if all(len(one) - len(one.lstrip(" ")) >= depth for one in between if one.strip()):
            count += len(re.findall(rf"\*{re.escape(anchor[1])}(?=[\s,\]}}]|$)", document))
    return count
