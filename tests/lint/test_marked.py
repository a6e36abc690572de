"""A value that cgtune policy has set is told from one that somebody has written: a pod from the API says so in an annotation."""

from __future__ import annotations

import json

import pytest

from tests.support.inside import run

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: shop
  annotations: {{cgtune.dev/policy: "{mark}"}}
spec:
  containers:
    - name: app
      image: app
      env:
        - {{name: GOMEMLIMIT, value: 460MiB}}
      resources: {{limits: {{memory: 256Mi}}}}
"""


@pytest.mark.parametrize(
    ("mark", "is_told"),
    [
        ("app.GOMEMLIMIT=460MiB", True),
        ("proxy.GOMAXPROCS=2,app.GOMEMLIMIT=460MiB", True),
        ("app.GOMEMLIMIT=230MiB", False),
        ("proxy.GOMEMLIMIT=460MiB", False),
        ("app.GOMEMLIMIT=460MiB0", False),
        ("", False),
    ],
)
def test_what_the_policy_has_set_is_told(mark: str, is_told: bool, tmp_path: object) -> None:
    """In a pod that was resized in place the old value is too large; whoever looks for it in the template would not find it."""
    file = f"{tmp_path}/pod.yaml"
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(POD.format(mark=mark))
    done = run("lint", file, "--format", "json")
    (finding,) = [one for one in json.loads(done.stdout)["findings"] if one["rule"] == "gomemlimit-exceeds-limit"]
    assert any("set by cgtune policy" in line for line in finding["evidence"]) is is_told
