"""Pods, and what ``cgtune policy`` writes for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cgtune.commands.policy import PolicyOptions, render_policy
from tests.support.kubernetes import read_objects, violations

LABELS = {"cgtune.dev/policy": "enabled"}
_CASES = Path(__file__).parents[2] / "fixtures" / "manifests"


def objects(**options: Any) -> list[dict[str, Any]]:
    """Both objects of these options, as YAML readers see them."""
    return read_objects(render_policy(PolicyOptions(**{"name": "cgtune", "selector": "cgtune.dev/policy=enabled", **options})))


def container(name: str = "app", memory: str | None = None, cpu: str | None = None, **fields: Any) -> dict[str, Any]:
    """A container with these limits."""
    limits = {resource: text for resource, text in (("memory", memory), ("cpu", cpu)) if text is not None}
    return {"name": name, "image": "app", **({"resources": {"limits": limits}} if limits else {}), **fields}


def pod(
    *containers: dict[str, Any], labels: dict[str, str] = LABELS, annotations: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    """A pod that the policy is about."""
    metadata = {"name": "shop", "labels": labels, **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": list(containers), **spec}}


def manifest_pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """The pods of fixtures/manifests that Kubernetes takes, each with the name of its file, and with the label."""
    for path in sorted(_CASES.glob("*.yaml")):
        try:
            documents = read_objects(path.read_text())
        except Exception:  # noqa: BLE001  # templates are no YAML
            continue
        for spec in _pod_specs(documents):
            made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop", "labels": LABELS}, "spec": spec}
            if not violations(made):
                yield path.name, made


def _pod_specs(value: Any) -> list[dict[str, Any]]:
    """Whatever looks like the spec of a pod, at any depth."""
    if isinstance(value, list):
        return [spec for each in value for spec in _pod_specs(each)]
    if not isinstance(value, dict):
        return []
    own = [value] if isinstance(value.get("containers"), list) else []
    return own + [spec for each in value.values() for spec in _pod_specs(each)]
