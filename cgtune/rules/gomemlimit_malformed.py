"""GOMEMLIMIT is malformed: Go dies of it at the start

What it means: Go reads digits, or digits with B, KiB, MiB, GiB or TiB, in exactly this spelling. Anything else ends the program before
any of its own code: "fatal error: malformed GOMEMLIMIT", exit status 2. Kubernetes quantities (512Mi, 1G), blanks, lower case and
fractions are such values; so is "false", which YAML 1.1 makes of a bare off.

Why it hurts: a crash loop.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep GOMEMLIMIT | cat -A
  env GOMEMLIMIT=512Mi ./program; echo $?                     # 2

What to do: write the same amount as Go reads it: 512MiB for 512Mi, or plain bytes; less than the memory limit, as recommended.

Sources: https://pkg.go.dev/runtime (Environment Variables); Go source runtime/string.go (parseByteCount).
"""

from __future__ import annotations

from cgtune.model import Advice, Finding
from cgtune.numbers import format_limit
from cgtune.rules.case import act, say_yaml_off

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomemlimit-malformed"
SEVERITY: Severity = "critical"
SUMMARY = "GOMEMLIMIT is malformed: Go dies of it at the start"


_UNITS = {"k": 10**3, "ki": 1 << 10, "m": 10**6, "mi": 1 << 20, "g": 10**9, "gi": 1 << 30, "t": 10**12, "ti": 1 << 40}
_MOST_DIGITS = 15
_NO_LIMIT = (1 << 63) - 1  # to Go this is none, and what is above it is malformed again


def judge(case: Case) -> Finding | None:
    """The derivation ends in GOMEMLIMIT's death."""
    facts = case.facts
    if facts is None or facts.derived.dies is None or facts.derived.dies_of != "gomemlimit":
        return None
    text = case.variable("GOMEMLIMIT")
    meant = parse_meant(text)
    most = case.recommended("GOMEMLIMIT").value or case.memory.limit_bytes  # a limit of Go's at the kernel's own is the next mistake
    same: tuple[Advice, ...] = ()
    if meant is not None and (most is None or meant <= most):
        same = (Advice(variable="GOMEMLIMIT", value=format_limit(meant), reason=f"what {text[:60]!r} seems to mean"),)
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"GOMEMLIMIT={text[:60]!r} is malformed: Go {facts.program.version} dies at its start with exit status 2",
        evidence=(case.variable_words("GOMEMLIMIT"), facts.derived.dies.splitlines()[-1]),
        advice=say_yaml_off(text) + case.set_memory("the recommended value, as Go reads it") + same
        or (act("write digits, or digits with KiB, MiB, GiB or TiB, or remove the variable"),),
    )


def parse_meant(text: str) -> int | None:
    """The bytes that a person meant by "512Mi", "1.5g" or " 512MiB ", None where that is anybody's guess."""
    word = text.strip().replace(" ", "").lower().removesuffix("b")
    number = word.rstrip("kmgti")
    digits, _, fraction = number.partition(".")
    unit = word[len(number) :]
    if not digits or not (digits + fraction).isascii() or not (digits + fraction).isdigit() or len(number) > _MOST_DIGITS:
        return None
    if (unit and unit not in _UNITS) or (fraction and not unit):
        return None  # 0.9 is a share of something, and no byte
    meant = int(float(number) * _UNITS.get(unit, 1))
    return meant if meant < _NO_LIMIT else None
