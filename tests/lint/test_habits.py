"""Programs that set their memory limit themselves: what shows them, and that the docs name all of them."""

from __future__ import annotations

import pytest

from cgtune.lint import habits
from cgtune.manifests import read_text
from cgtune.manifests.workload import Workload
from tests.support.command import ROOT


def _container(fields: str) -> Workload:
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n    - {{name: c, {fields}}}\n"
    return next(iter(read_text("p.yaml", text))).workloads[0]


@pytest.mark.parametrize(
    ("image", "is_shown"),
    [
        ("prom/prometheus", True),
        ("quay.io/prometheus/prometheus:v3.1.0", True),
        ("prom/prometheus:v2.55.1", False),
        ("prom/prometheus:latest@sha256:ab", True),
        ("reg.example/kyverno/kyverno:v1.17.0", True),
        ("ghcr.io/kyverno/kyverno:v1.9.2", False),
        ("grafana/alloy:v1.2", True),
        ("gke.gcr.io/gcs-fuse-csi-driver-sidecar-mounter:v1.4.1", True),
        ("example/prometheus", False),
        ("myprom/prometheus", False),
    ],
)
def test_images(image: str, is_shown: object) -> None:
    """By the end of the name; a tag of a version that did not do it yet does not count."""
    assert bool(habits.says_own_limit(_container(f"image: '{image}'"))) is is_shown


@pytest.mark.parametrize(
    ("fields", "is_shown"),
    [
        ("image: x, command: [cockroach, start, --max-go-memory=1GiB]", True),
        ("image: x, args: [--no-auto-gomemlimit]", False),
        ("image: x, env: [{name: AUTOMEMLIMIT, value: '0.9'}]", True),
        ("image: x, env: [{name: AUTOMEMLIMIT, value: 'off'}]", False),
        ("image: x, env: [{name: ROX_MEMLIMIT, value: '1'}]", True),
        ("image: x, env: [{name: OWN, valueFrom: {resourceFieldRef: {resource: limits.memory}}}]", True),
        ("image: x", False),
    ],
)
def test_variables_and_flags(fields: str, is_shown: object) -> None:
    """What switches it off shows nothing."""
    assert bool(habits.says_own_limit(_container(fields))) is is_shown


def test_the_docs_name_them() -> None:
    """docs/lint.md has the table."""
    table = (ROOT / "docs" / "lint.md").read_text().partition("## Programs that set the limit themselves")[2].partition("\n## ")[0]
    assert [name for name in (*habits.VARIABLES, *habits.FLAGS, *habits.IMAGES) if name.removeprefix("--") not in table] == []
