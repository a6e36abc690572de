"""``cgtune check`` and ``cgtune predict`` beside real Go programs where there are 8 CPUs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cgtune.api import predict
from cgtune.outputs.predict import render_predict_json
from tests.live.cgroups import _ENTER, Group, Groups
from tests.support import goprograms
from tests.support.command import run
from tests.support.goprograms import Probe

pytestmark = pytest.mark.kernel


@contextmanager
def probe_in(group: Group, version: str, language: str, **environ: str) -> Iterator[Probe]:
    """A probe of that Go version and go line in the group."""
    wrapper = ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--")
    with Probe(goprograms.build(version, language=language), environment=environ, wrapper=wrapper) as probe:
        yield probe


@pytest.mark.hierarchy("v2", "v1")
def test_check_fails_until_the_named_value_is_set(groups: Groups) -> None:
    """Go 1.24 under 0.5 CPU: one finding names cause and value; with that value check says nothing and gives 0."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    with probe_in(group, "1.24.11", "1.21") as probe:
        done = run("check", "--pid", probe.pid, timeout_seconds=120)
    assert (done.returncode, done.stderr) == (1, "")
    failures = [line for line in done.stdout.splitlines() if not line.startswith(("  ", "and "))]
    assert len(failures) == 1
    # An emulated CPU is so slow that its start alone may use the quota up: then that is told with its cause
    assert failures[0].startswith(("warning go-not-container-aware: ", "warning go-not-container-aware, hurts now: "))
    assert "do: set GOMAXPROCS=2" in done.stdout
    with probe_in(group, "1.24.11", "1.21", GOMAXPROCS="2") as probe:
        mended = run("check", "--ignore", "started-throttled", timeout_seconds=120, CGTUNE_PID=str(probe.pid))
    assert (mended.returncode, mended.stdout, mended.stderr) == (0, "", "")


@pytest.mark.hierarchy("v2")
def test_a_prediction_comes_true(groups: Groups) -> None:
    """Under 2.5 CPUs of 8 each program has the GOMAXPROCS that was predicted from quota, version and go line alone."""
    group = groups.make("app")
    group.limit_cpu(250_000)
    for version, language in (("1.24.11", "1.21"), ("1.25.5", "1.25"), ("1.27.3", "1.25"), ("1.27.3", "1.21")):
        prediction = predict(cpu_limit="2.5", cpus=8, go=version, language=language)
        (row,) = json.loads(render_predict_json(prediction))["rows"]
        with probe_in(group, version, language) as probe:
            assert row["settings"]["GOMAXPROCS"]["derived"] == probe.values["gomaxprocs"], (version, language)
