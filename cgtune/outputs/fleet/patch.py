"""What the report recommends as files: patches that kustomize lays over manifests, or values for charts, each with its reasons.

Written is what differs from what the series tell is there, and is as sure as it has to be: a value of low confidence, or one that a note
doubts, stands there as a comment. Not covered: objects that are no Deployment, StatefulSet, DaemonSet or CronJob, of which nothing can be
patched (Jobs and Pods) or whose fields are not known; they are named.
"""

from __future__ import annotations

from cgtune.outputs.envfile import yaml_string
from cgtune.outputs.escape import escape_control
from cgtune.outputs.fleet.words import SURE, row_name, sized_value, sized_words
from cgtune.outputs.words import format_setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.fleet.model import FleetReport, Key, Measured, Row, Sized
    from cgtune.model import Recommendation

_KINDS = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "CronJob": "batch/v1",
}
_NOTHING = "nothing to change that is sure enough"
_LIMIT_OF = {"GOMAXPROCS": "cpu-limit", "GOMEMLIMIT": "memory-limit", "GOGC": "memory-limit"}
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")


def render_patch(report: FleetReport, flavour: str) -> tuple[tuple[str, str], ...]:
    """The files by name, in the order of the report; ``flavour``: "kustomize" or "helm". Put together they are one text of documents."""
    files: dict[str, str] = {}
    targets: dict[str, Key] = {}
    left_out: dict[str, list[str]] = {}
    for row in report.rows:
        change = _Change(row)
        why = change.refusal() if flavour == "kustomize" else change.nothing()
        if why:
            left_out.setdefault(why, []).append(escape_control(row_name(row.key)))
            continue
        body = _kustomize(row, change) if flavour == "kustomize" else _helm(row, change)
        name = _file_name(row, files)
        files[name], targets[name] = body, row.key
    head = _index(report, targets) if flavour == "kustomize" else _helm_head(report)
    name = "kustomization.yaml" if flavour == "kustomize" else "README.txt"
    return ((name, head + "".join(_left_out_lines(left_out))), *((file, f"---\n{text}") for file, text in files.items()))


class _Change:
    """What is written of one row."""

    def __init__(self, row: Row) -> None:
        self.comments: list[str] = []
        self.limits: dict[str, str] = {}
        self.requests: dict[str, str] = {}
        self.env: dict[str, str] = {}
        self.unset = [each.variable for finding in row.findings for each in finding.advice if each.variable and each.value is None]
        written = {each.what for each in row.sized if self._take_sized(each, row.measured)}
        now, later = ({each.name: each for each in some} for some in (row.recommendations, row.under_sized))
        for name in dict.fromkeys((*now, *later)):
            one = later.get(name) if _LIMIT_OF.get(name) in written else now.get(name)
            if one is not None:
                self._take_variable(one, row.measured)
        self._row = row

    def _take_sized(self, sized: Sized, measured: Measured) -> bool:
        """Whether the value is written."""
        resource, _, what = sized.what.partition("-")
        present = getattr(measured, f"{resource}_{what}_{'cores' if resource == 'cpu' else 'bytes'}")
        is_same = sized.value is not None and present is not None and sized_value(sized) == sized_value(sized.replace(value=float(present)))
        self.comments.append(f"{sized_words(sized)}{', as it is' if is_same else ''}")
        if sized.value is None or is_same or sized.confidence not in SURE:
            return False
        if what == "limit" and getattr(measured, f"is_{resource}_unlimited"):
            self.comments[-1] += "; there is no limit, which may be meant so: it is not set here"
            return False
        (self.limits if what == "limit" else self.requests)[resource] = sized_value(sized)
        return True

    def _take_variable(self, one: Recommendation, measured: Measured) -> None:
        value = format_setting(one)
        because = "; ".join(map(escape_control, one.because))
        doubt = one.doubt or ("the memory limit itself is too small" if one.crowded is not None else None)
        doubt = doubt or ("the program sets it itself, and overrules the variable" if one.overruled else None)
        self.comments.append(f"{one.name} {value}: {because}" + (f"; not set here: {escape_control(doubt)}" if doubt else ""))
        if one.set and one.value is not None and doubt is None and not _has(one, measured):
            self.env[one.name] = value

    def nothing(self) -> str:
        """Why nothing is written; empty if something is."""
        return "" if self.limits or self.requests or self.env or self.unset else _NOTHING

    def refusal(self) -> str:
        """The same of a patch, which needs to know the object."""
        key = self._row.key
        if key.kind not in _KINDS:
            return f"{escape_control(key.kind) or 'an object of unknown kind'} cannot be patched here"
        return "the series do not name its container" if not key.container else self.nothing()


def _has(one: Recommendation, measured: Measured) -> bool:
    """Whether all replicas have the value already."""
    if one.name == "GOMAXPROCS":
        return measured.least_procs == measured.most_procs == one.value
    return one.value == (measured.gomemlimit_bytes if one.name == "GOMEMLIMIT" else measured.gogc)


def _kustomize(row: Row, change: _Change) -> str:
    key = row.key
    lines = [
        *_comments(change),
        f"apiVersion: {_KINDS[key.kind]}",
        f"kind: {key.kind}",
        "metadata:",
        f"  name: {yaml_string(key.name)}",
        f"  namespace: {yaml_string(key.namespace)}",
    ]
    depth = "spec: template: spec:" if key.kind != "CronJob" else "spec: jobTemplate: spec: template: spec:"
    indent = ""
    for word in depth.split():
        lines.append(f"{indent}{word}")
        indent += "  "
    lines += [f"{indent}containers:", f"{indent}- name: {yaml_string(key.container)}"]
    env = [*_env(change, is_patch=True)]
    lines += [f"{indent}  {line}" for line in (*_resources(change), *env)]
    return "\n".join(lines) + "\n"


def _helm(row: Row, change: _Change) -> str:
    return "\n".join([f"# {escape_control(row_name(row.key))}", *_comments(change), *_resources(change), *_env(change)]) + "\n"


def _resources(change: _Change) -> Iterator[str]:
    if change.limits or change.requests:
        yield "resources:"
    for name, values in (("limits", change.limits), ("requests", change.requests)):
        if values:
            yield f"  {name}:"
            yield from (f'    {resource}: "{value}"' for resource, value in values.items())


def _env(change: _Change, *, is_patch: bool = False) -> Iterator[str]:
    """The variables. A patch takes away what the findings say to unset, and where a value would stand beside a valueFrom."""
    unset = [name for name in dict.fromkeys(change.unset) if name not in change.env] if is_patch else []
    if change.env or unset:
        yield "env:"
    for name, value in change.env.items():
        yield f"- name: {name}"
        yield f'  value: "{value}"'
        if is_patch:
            yield "  valueFrom: null"
    for name in unset:
        yield f"- name: {name}"
        yield "  $patch: delete"


def _comments(change: _Change) -> Iterator[str]:
    return (f"# {escape_control(line)}" for line in change.comments)


def _file_name(row: Row, taken: dict[str, str]) -> str:
    """A name of its own, made of what Kubernetes allows in names."""
    key = row.key
    parts = [part for part in (key.cluster, key.namespace, key.kind, key.name, key.container) if part]
    plain = "".join(letter if letter in _NAME else "_" for letter in "-".join(parts).lower()).strip(".") or "workload"
    name, number = plain[:200], 1
    while f"{name}.yaml" in taken:
        number += 1
        name = f"{plain[:200]}-{number}"
    return f"{name}.yaml"


def _left_out_lines(left_out: dict[str, list[str]]) -> Iterator[str]:
    """Of each reason the rows, but for those that need nothing: these are counted."""
    for why, names in left_out.items():
        yield f"# left out: {len(names)} with {why}\n" if why == _NOTHING else "".join(f"# left out: {name}: {why}\n" for name in names)


def _index(report: FleetReport, targets: dict[str, Key]) -> str:
    """With a target, kustomize passes a patch over whose object is not in a kustomization; without one it refuses the whole."""
    lines = [
        f"# What cgtune fleet recommends as of {escape_control(report.time)}. Name this folder under `components` of a kustomization.",
        "# A workload that is not in that, under its name and its namespace, is passed over: `kubectl kustomize . | kubectl diff -f -`",
        "# shows what changes.",
        "apiVersion: kustomize.config.k8s.io/v1alpha1",
        "kind: Component",
        "patches:" if targets else "patches: []",
        *(line for file, key in targets.items() for line in (f"- path: {file}", f"  target: {_target(key)}")),
    ]
    return "\n".join(lines) + "\n"


def _target(key: Key) -> str:
    """Name and namespace are regular expressions there, which have to match the whole."""
    group, _, version = _KINDS[key.kind].partition("/")
    name, namespace = (yaml_string(_pattern(text)) for text in (key.name, key.namespace))
    return f"{{group: {group}, version: {version}, kind: {key.kind}, name: {name}, namespace: {namespace}}}"


def _pattern(text: str) -> str:
    return "".join(
        f"\\{letter}" if letter.isascii() and letter.isprintable() and not letter.isalnum() and letter not in "-_ " else letter
        for letter in text
    )


def _helm_head(report: FleetReport) -> str:
    return (
        f"# What cgtune fleet recommends as of {escape_control(report.time)}: values for their charts, one document each.\n"
        "# `resources` is where `helm create` has it; charts call the list of variables env, extraEnv or otherwise.\n"
    )
