"""The baseline: the findings that were there before, by object, container and rule, so that new ones alone fail. Pure.

Not by line, which every change moves. Two findings of one key are counted: a third is new.
"""

from __future__ import annotations

from cgtune.errors import UsageError
from cgtune.lint.silencing import key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cgtune.lint.model import LintFinding

SCHEMA = "cgtune/lint-baseline/v1"


def render_baseline(findings: Iterable[LintFinding]) -> str:
    """The baseline with these findings, sorted: same findings, same bytes."""
    import json

    counts: dict[tuple[str, str, str], int] = {}
    for finding in findings:
        key = key_of(finding)
        counts[key] = counts.get(key, 0) + 1
    rows = [{"object": key[0], "container": key[1], "rule": key[2], "count": count} for key, count in sorted(counts.items())]
    return json.dumps({"schema": SCHEMA, "findings": rows}, indent=1, ensure_ascii=True) + "\n"


def parse_baseline(text: str, file: str) -> dict[tuple[str, str, str], int]:
    """How many findings of each object, container and rule there were; raises UsageError for what is no baseline."""
    import json

    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise UsageError(f"--baseline {file!r} has the schema {str(document['schema'])[:40]!r}, this cgtune reads {SCHEMA}")
        rows = [((row["object"], row["container"], row["rule"]), row["count"]) for row in document["findings"]]
        if not all(isinstance(count, int) and count > 0 and all(isinstance(part, str) for part in key) for key, count in rows):
            raise ValueError("a finding is no finding")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"--baseline {file!r} is no baseline; make one: cgtune lint --write-baseline {file} PATH") from error
    return dict(rows)
