"""What ``cgtune explain`` gives to type, as it stands, for a plain shell beside a Go program."""

from __future__ import annotations

from cgtune.rules import RULES

_MARK = "=== "
# Files that one cgroup version alone has, messages of the machine, and a descriptor that only some runtimes hold
_MAY_MISS = {"gomemlimit-exceeds-high", "swap-hides-pressure", "oom-killed", "follows-old-cgroup"}


def recipes_script(pid: int) -> str:
    """The commands of every rule for this process, below its name. Programs are not started, and no line waits."""
    parts = []
    for rule in RULES:
        text = (rule.__doc__ or "").split("\nHow to confirm:\n")[1].split("\n\n")[0]
        lines = [line.strip() for line in text.splitlines() if "./program" not in line]
        commands = "\n".join(lines).replace("PID", str(pid)).replace("for wait in 30 0", "for wait in 0 0")
        parts.append(f"echo '{_MARK}{rule.ID}'\n(\n{commands}\n) 2>&1\n")
    return "".join(parts)


def parse_said(text: str) -> dict[str, str]:
    """By rule what was printed; fails for a command or a file that is not there."""
    said = {}
    for part in text.split(_MARK)[1:]:
        name, _, printed = part.partition("\n")
        said[name] = printed
    assert list(said) == [rule.ID for rule in RULES], text
    for name, printed in said.items():
        assert "not found" not in printed, (name, printed)
        assert name in _MAY_MISS or "No such file" not in printed, (name, printed)
    return said
