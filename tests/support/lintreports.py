"""Reports of lint made by hand, for the tests of formats, silencing and fixes."""

from __future__ import annotations

from typing import Any

from cgtune.lint.model import Edit, Fix, LintFinding, LintReport
from cgtune.lint.quoting import quote
from cgtune.manifests.places import Lines
from cgtune.manifests.workload import Place
from cgtune.model import Advice, RuleText
from cgtune.rules import RULES

#: A manifest with two mistakes: the limit itself as GOMEMLIMIT, and two threads written as a number.
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: orders
  namespace: shop
spec:
  template:
    spec:
      containers:
      - name: app  # the program
        image: registry.example/orders:1.0
        env:
        - name: GOMEMLIMIT
          value: "512MiB"
        - {name: GOMAXPROCS, value: 2}
        resources: {limits: {cpu: "2", memory: 512Mi}}
"""
HOSTILE = 'a\x1b[31m|b%0A"<&>\n::error::c\udcff'
_RULES = tuple(RuleText(id=rule.ID, severity=rule.SEVERITY, summary=rule.SUMMARY, help=rule.__doc__ or "") for rule in RULES)


def place_in(text: str, word: str, file: str = "deploy/orders.yaml") -> Place:
    """Where that word stands, the first time."""
    start = text.index(word)
    return Lines(file, text).place(start, start + len(word))


def finding_at(place: Place, **fields: Any) -> LintFinding:
    """A finding there, with one line of evidence and one act."""
    values: dict[str, Any] = {
        "rule": "gomemlimit-exceeds-limit",
        "severity": "warning",
        "place": place,
        "subject": "Deployment/shop/orders",
        "container": "app",
        "summary": "GOMEMLIMIT is the whole limit of 512 MiB",
        "evidence": ("limits.memory is 512Mi",),
        "advice": (Advice(variable="GOMEMLIMIT", value="460MiB", reason="leaves room for what Go does not manage"),),
    }
    return LintFinding(**(values | fields))


def mended(place: Place, text: str, kind: Any = "safe") -> Fix:
    """A fix that puts this text into the place."""
    return Fix(kind=kind, edits=(Edit(file=place.file, start=place.start, end=place.end, text=text),))


def report_of(*findings: LintFinding, texts: dict[str, str] | None = None, **fields: Any) -> LintReport:
    """A report with these findings, of which those in ``texts`` (MANIFEST, if there are none) have their lines."""
    texts = {"deploy/orders.yaml": MANIFEST} if texts is None else texts
    values: dict[str, Any] = {
        "version": "0.1.0",
        "files": tuple(texts),
        "skipped": (),
        "findings": tuple(quote(one, {file: Lines(file, text) for file, text in texts.items()}) for one in findings),
        "rules": _RULES,
        "containers": 1,
    }
    return LintReport(**(values | fields))


LIMIT = place_in(MANIFEST, '"512MiB"')
NUMBER = place_in(MANIFEST, "2}")
NUMBER = NUMBER.replace(end=NUMBER.start + 1, end_column=NUMBER.column + 1)
EXCEEDS = finding_at(LIMIT, fix=mended(LIMIT, '"460MiB"', "unsafe"))
UNQUOTED = finding_at(
    NUMBER,
    rule="gomaxprocs-malformed",
    severity="critical",
    summary="value is a number, not text: the API server refuses the object",
    evidence=(),
    advice=(),
    fix=mended(NUMBER, '"2"'),
)
