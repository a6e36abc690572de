"""What is said of manifests that were rendered: a patch that kustomize takes, and that mends the finding."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cgtune.lint.judge import judge_file
from cgtune.lint.model import LintFinding, Settings
from cgtune.lint.silencing import key_of
from tests.lint.test_manifest_cases import EXPECTED, FOLDER
from tests.lint.written import read
from tests.support import kubernetes

ALL = Settings(is_pedantic=True)
SAYS = "as a patch of kustomize:\n"

CRON = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: shop}
spec:
  schedule: "0 1 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          initContainers:
          - name: prepare
            image: registry.example/prepare:1
            env: [{name: GOMAXPROCS, value: "8"}]
            resources: {limits: {cpu: 2}}
          containers:
          - name: run
            image: registry.example/run:1
            env: [{name: GOMEMLIMIT, value: 9GiB}]
            resources: {limits: {memory: 1Gi}}
"""


def judge(text: str) -> tuple[LintFinding, ...]:
    """All that is found in what came by a pipe."""
    return judge_file(read("-", text), ALL, text)


def patched(text: str, patch: str, folder: Path) -> str:
    """What kustomize makes of an object and a patch."""
    (folder / "object.yaml").write_text(text)
    (folder / "patch.yaml").write_text(patch)
    (folder / "kustomization.yaml").write_text(json.dumps({"resources": ["object.yaml"], "patches": [{"path": "patch.yaml"}]}))
    done = kubernetes.run("kubectl", "kustomize", folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.mark.fetched
@pytest.mark.parametrize(
    "file", ["011-control-plane-own-name.yaml", "045-object-store-gogc.yaml", "033-report-server-empty-limits.yaml", ""]
)
def test_kustomize_takes_the_patch_and_the_finding_is_gone(file: str, tmp_path: Path) -> None:
    """In init containers, CronJobs and namespaces too; a value takes the reference away that it stands for."""
    text = (FOLDER / file).read_text() if file else CRON
    patches = {key_of(one): one.hint.partition(SAYS)[2] for one in judge(text) if one.hint is not None and SAYS in one.hint}
    assert patches
    for key, patch in patches.items():
        assert key not in [key_of(one) for one in judge(patched(text, patch, tmp_path))], patch


def test_what_was_rendered_is_never_edited() -> None:
    """Neither what came by a pipe nor what names its template has a fix."""
    for file in EXPECTED:
        text = (FOLDER / file).read_text()
        assert not [one for one in judge(text) if one.fix is not None]
        rendered = f"# Source: chart/templates/a.yaml\n{text}"
        found = judge_file(read(file, rendered), ALL, rendered)
        assert not [one for one in found if one.fix is not None]
        assert all(one.hint is not None and one.hint.startswith("in the chart: chart/templates/a.yaml, container ") for one in found)


def test_an_object_of_an_unknown_kind_gets_no_patch() -> None:
    """kustomize merges lists of kinds that it knows alone."""
    rollout = CRON.replace("kind: CronJob", "kind: Rollout").replace("batch/v1", "argoproj.io/v1alpha1")
    assert judge(rollout)
    assert [one.hint for one in judge(rollout)] == [None] * len(judge(rollout))
