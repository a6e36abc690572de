"""a platform says a limit that nothing enforces where it can be seen, and Go plans with more

What it means: a variable that the platform documents (AWS_LAMBDA_FUNCTION_MEMORY_SIZE, SLURM_CPUS_PER_TASK, NOMAD_CPU_CORES...) names fewer
CPUs or less memory than the cgroups, the cpuset and the affinity leave, and Go goes by these: GOMAXPROCS is more than the CPUs that are
said (and more than 2), or GOMEMLIMIT is more than the memory that is said, or not set. What is said is never taken for enforced: it may be
enforced out of sight, as Lambda does outside of its virtual machine, or by nobody, as on a Slurm node without ConstrainCores.

Why it hurts: if it is enforced out of sight, the program is throttled or killed at a limit that it does not know. If nobody does, it takes
what was promised to others.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep -E '^(AWS_LAMBDA_FUNCTION_MEMORY|NOMAD_(CPU|MEMORY)|SLURM_(CPUS|MEM)|GAE_MEMORY)'
  grep Cpus_allowed_list /proc/PID/status

What to do: set GOMAXPROCS to the CPUs that are said, and GOMEMLIMIT to a share of the memory; or let the platform enforce it.

Sources: docs/platforms.md, with the documentation of each platform.
"""

from __future__ import annotations

import math

from cgtune.advice.memory import recommend_memory
from cgtune.model import Advice, Finding
from cgtune.numbers import format_cpus, format_limit, format_mib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Said, Severity
    from cgtune.rules.case import Case

ID = "limit-only-said"
SEVERITY: Severity = "info"
SUMMARY = "a platform says a limit that nothing enforces where it can be seen, and Go plans with more"

_ALWAYS_FINE = 2  # threads: Go's own least


def judge(case: Case) -> Finding | None:
    """The least that is said of CPUs and of memory, if it is less than what Go goes by."""
    if case.facts is None:
        return None
    said = [(platform.name, one) for platform in case.snapshot.platforms for one in platform.said if not one.is_cap]
    cpu = min((pair for pair in said if pair[1].unit == "cores"), key=lambda pair: pair[1].value, default=None)
    memory = min((pair for pair in said if pair[1].unit == "bytes"), key=lambda pair: pair[1].value, default=None)
    cpu = cpu if cpu is not None and _is_beyond_cpus(case, cpu[1].value) else None
    memory = memory if memory is not None and _is_beyond_memory(case, memory[1].value) else None
    told = [pair for pair in (cpu, memory) if pair is not None]
    if not told:
        return None
    words, evidence, advice = [], [], []
    if cpu is not None:
        words.append(format_cpus(cpu[1].value))
        evidence += [_quote(cpu[1], format_cpus(cpu[1].value)), *case.procs_evidence()]
        value = str(max(1, math.ceil(cpu[1].value)))
        advice.append(Advice(variable="GOMAXPROCS", value=value, reason=f"as many as {cpu[0]} says, whoever enforces it"))
    if memory is not None:
        shown = f"{format_mib(memory[1].value)} MiB"
        words.append(shown)
        evidence += [_quote(memory[1], shown), *(line for line in (case.gomemlimit_words, case.limit_words) if line)]
        value_bytes = recommend_memory(int(memory[1].value), None, case.policy, limit_from=memory[1].source).value
        if value_bytes is not None:
            reason = f"a share of what {memory[0]} says, as of a limit"
            advice.append(case.change_memory(format_limit(value_bytes), reason))
    summary = f"{told[0][0]} says {' and '.join(words)}; nothing that can be seen enforces that, and Go plans with more"
    return Finding(rule=ID, severity=SEVERITY, summary=summary, evidence=tuple(dict.fromkeys(evidence)), advice=tuple(advice))


def _is_beyond_cpus(case: Case, cores: float) -> bool:
    enforced = case.usable if case.limit_cores is None else min(case.limit_cores, case.usable)
    return enforced > cores and case.procs_count > max(_ALWAYS_FINE, cores)


def _is_beyond_memory(case: Case, size: float) -> bool:
    limit, value = case.memory.limit_bytes, case.gomemlimit
    return (limit is None or limit > size) and value is not None and (value == "off" or value > size)


def _quote(said: Said, shown: str) -> str:
    return f"{said.source} says {shown} for the {said.of}"
