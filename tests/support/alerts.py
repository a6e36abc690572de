"""Which alerts the rules of deploy/prometheus raise on scraped metrics: promtool judges them as Prometheus would, half an hour long."""

from __future__ import annotations

import json
import math
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support.command import ROOT
from tests.support.serving import Samples, parse_metrics

RULES = ROOT / "deploy" / "prometheus" / "cgtune.rules.yaml"
_BEFORE, _AFTER = 4, 60  # scrapes
_TIMES = ("4m", "10m", "20m", "30m")
_TARGET = {"job": "cgtune", "instance": "node:9464"}
_LABELS, _WORDS = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"'), re.compile(r"Labels:\{(.*)\}\s+Annotations:\{(.*)\}")


class Alert(NamedTuple):
    """One that fires."""

    name: str
    labels: dict[str, str]
    annotations: dict[str, str]


def read_alerts(before: str, after: str, is_meant: Callable[[dict[str, str]], bool]) -> list[Alert]:
    """The alerts, each once, if these pages of metrics are scraped one after the other and the second goes on; ``is_meant`` chooses series
    by their labels.
    """
    first, last = parse_metrics(before), parse_metrics(after)
    series = [
        {"series": f"{name}{{{_join({**labels, **_TARGET})}}}", "values": _values(name, _value_of(first, name, labels), value)}
        for name, samples in last.items()
        for labels, value in samples
        if is_meant(labels)
    ]
    names = re.findall(r"^ *- alert: (\w+)$", RULES.read_text(), re.MULTILINE)
    asked = [{"eval_time": at, "alertname": name, "exp_alerts": []} for name in names for at in _TIMES]
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "30s",
        "tests": [{"interval": "30s", "input_series": series, "alert_rule_test": asked}],
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "test.yaml"
        file.write_text(json.dumps(test))
        done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    # An alert that fires where none is expected is a failed test, which prints it
    if done.returncode and "got:" not in said:
        raise RuntimeError(f"promtool: {said.strip()[-500:]}")
    found: dict[str, Alert] = {}
    for labels, texts in _WORDS.findall(said):
        told = dict(_LABELS.findall(labels))
        if told:
            words = {name: json.loads(f'"{text}"') for name, text in _LABELS.findall(texts)}
            found.setdefault(labels, Alert(told.pop("alertname"), told, words))
    return list(found.values())


def _value_of(samples: Samples, name: str, labels: dict[str, str]) -> float | None:
    return next((value for each, value in samples.get(name, []) if each == labels), None)


def _values(name: str, before: float | None, after: float) -> str:
    if name.endswith("_timestamp_seconds"):  # promtool's clock begins at 0
        after, before = after - time.time() + _BEFORE * 30, None
    return " ".join(["_" if before is None else _number(before)] * _BEFORE + [_number(after)] * _AFTER)


def _number(value: float) -> str:
    return "Inf" if math.isinf(value) else repr(value)


def _join(labels: dict[str, str]) -> str:
    return ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
