"""What to change where a rendered manifest comes from: there is no file here that a fix could mend. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Advice

_VERSIONS = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), "apps/v1"),
    **dict.fromkeys(("Job", "CronJob"), "batch/v1"),
    **dict.fromkeys(("Pod", "ReplicationController"), "v1"),
}
_PATHS = {"Pod": ("spec",), "CronJob": ("spec", "jobTemplate", "spec", "template", "spec")}
_USUAL_PATH = ("spec", "template", "spec")


def say_hint(case: LintCase, finding: LintFinding) -> str | None:
    """The template to look into and, for what the advice sets, a strategic merge patch for kustomize; None if there is nothing to say."""
    wanted = next((one for one in finding.advice if one.variable is not None), None)
    source = case.workload.source
    what = "" if source is None else f"in the chart: {source}, container {case.workload.container}"
    patch = None if wanted is None or case.workload.kind != "kubernetes" else _patch(case, wanted)
    return "\n".join(part for part in (what, patch) if part) or None


def _patch(case: LintCase, wanted: Advice) -> str | None:
    """A variable set, or taken away, by a patch that kustomize takes. A value hides a valueFrom only if that is named as gone."""
    import json

    kind, *namespace, name = case.workload.subject.split("/")
    version = _VERSIONS.get(kind)
    if version is None or not name:
        return None
    there = case.variable(wanted.variable or "")
    entry = [f"- name: {wanted.variable}"]
    if wanted.value is None:
        if there is None:
            return None
        entry.append("  $patch: delete")
    else:
        entry.append(f"  value: {json.dumps(wanted.value)}")
        if there is not None and there.field is not None:
            entry.append("  valueFrom: null")
    path = _PATHS.get(kind, _USUAL_PATH)
    role = "initContainers" if case.workload.role in ("init", "sidecar") else "containers"
    lines = [f"apiVersion: {version}", f"kind: {kind}", "metadata:", f"  name: {json.dumps(name)}"]
    lines += [f"  namespace: {json.dumps(one)}" for one in namespace]
    lines += [f"{'  ' * depth}{key}:" for depth, key in enumerate(path)]
    indent = "  " * len(path)
    lines += [f"{indent}{role}:", f"{indent}- name: {json.dumps(case.workload.container)}", f"{indent}  env:"]
    lines += [f"{indent}  {line}" for line in entry]
    return "\n".join(("as a patch of kustomize:", *lines))
