"""The differential run: the mirror beside Go's own parsers, case by case; any difference is a failure.

``python -m tests.differential.compare CASES`` (scripts/differential) runs that many of each kind and prints what they came to.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

from hypothesis import HealthCheck, Phase, given, seed as seeded, settings

from cgtune.runtimes.go.derived.derive import GoDerivation, derive
from cgtune.runtimes.go.derived.grammar import CGOCHECK_DEATH, NO_LIMIT, parse_gogc, parse_gomaxprocs, parse_gomemlimit
from cgtune.runtimes.go.derived.inputs import GoInputs
from cgtune.runtimes.go.derived.limitfile import LimitSeen
from cgtune.runtimes.go.derived.settings import HOPELESS_PROCS
from cgtune.runtimes.go.program.version import GoVersion, parse_version
from tests.differential.oracle import Oracle
from tests.differential.strategies import EnvironmentCase, LimitCase, environment_cases, limit_cases
from tests.support.toolchains import NEWEST, VERSIONS, minor

# The quick share takes the newest of each line, and of those before 1.25, which all have one grammar, two.
LIMIT_VERSIONS = tuple(version for version in NEWEST if minor(version) >= 25)
ENVIRONMENT_VERSIONS = (NEWEST[0], *(version for version in NEWEST if minor(version) >= 24))


def compare_limits(cases: int, versions: tuple[str, ...] = LIMIT_VERSIONS, *, seed: int = 0, mirror: str | None = None) -> Counter[str]:
    """Compare what is made of cgroup, mountinfo and limit files; counts what the cases came to.

    ``mirror`` names the version that the mirror plays where that is to be another one than the oracle's.
    """
    seen: Counter[str] = Counter()
    with ExitStack() as stack:
        oracles = [(stack.enter_context(Oracle(version)), _version(mirror or version)) for version in versions]

        @_run(cases, seed)
        @given(limit_cases())
        def check(case: LimitCase) -> None:
            seen["cases"] += 1
            answers = []
            for oracle, version in oracles:
                said = _ask_limit(oracle, case)
                assert _limit_words(*_derive_limit(version, case)) == said, f"Go {oracle.version}"
                seen[f"{oracle.version}: {_kind(said[0], case)}"] += 1
                answers.append(said)
            seen["versions differ"] += any(said != answers[0] for said in answers)

        check()
    return seen


def compare_environments(
    cases: int, versions: tuple[str, ...] = ENVIRONMENT_VERSIONS, *, seed: int = 0, mirror: str | None = None
) -> Counter[str]:
    """Compare what is made of GODEBUG, GOMAXPROCS, GOMEMLIMIT and GOGC; ``mirror`` and the counts as above."""
    seen: Counter[str] = Counter()
    with ExitStack() as stack:
        oracles = [(stack.enter_context(Oracle(version)), _version(mirror or version)) for version in versions]

        @_run(cases, seed)
        @given(environment_cases())
        def check(case: EnvironmentCase) -> None:
            seen["cases"] += 1
            answers = []
            for oracle, version in oracles:
                texts = (case.default_godebug, *(f"{name}={value}" for name, value in case.entries))
                said = [_text(word) for word in oracle.ask(b"environment", *(_raw(text) for text in texts))]
                end = _expected_death(said, case)
                _check_parts(version.minor, said, case)
                _check_derivation(version, said, end, case)
                seen[f"{oracle.version}: {'lives' if end is None else 'dies'}"] += 1
                answers.append(said[1:])
            seen["versions differ"] += any(said != answers[0] for said in answers)

        check()
    return seen


def _run(cases: int, seed: int) -> Callable[[Callable[[], None]], Callable[[], None]]:
    chosen = settings(
        max_examples=cases,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: seeded(seed)(chosen(test))


def _ask_limit(oracle: Oracle, case: LimitCase) -> list[str]:
    contents = [b"" if content is None else b"+" + content for content in (case.cpu_max, case.quota, case.period)]
    said = oracle.ask(b"limit", str(case.cpus).encode(), case.cgroup, case.mountinfo, *contents)
    words = [_text(word) for word in said]
    # What Go says of the reason is worded by us in another way: that there is one has to agree
    procs, _, why = words[0].partition(" ")
    return [words[0] if procs == "dies" else f"{procs} {'none' if why else 'limit'}", *words[1:]]


def _derive_limit(version: GoVersion, case: LimitCase) -> tuple[GoDerivation, list[str]]:
    opened: list[str] = []

    def read_limit(path: str) -> bytes | None:
        quota, period = path.endswith("/cpu.cfs_quota_us"), path.endswith("/cpu.cfs_period_us")
        content = case.quota if quota else case.period if period else case.cpu_max
        if content is not None:
            opened.append(path)
        return content

    inputs = GoInputs(
        version=version, affinity_count=case.cpus, cgroup_text=case.cgroup, mountinfo_text=case.mountinfo, read_limit=read_limit
    )
    return derive(inputs), opened


def _limit_words(derived: GoDerivation, opened: list[str]) -> list[str]:
    limit = derived.limit
    assert limit is not None
    if limit.dies:
        return [f"dies {limit.dies.removeprefix('fatal error: ')}", *opened]
    if derived.dies:
        assert derived.dies == "fatal error: procresize: invalid arg"  # the only other death without an environment
        return ["-2147483648 limit", *opened]
    assert limit.why is not None or list(limit.files) == opened
    return [f"{derived.gomaxprocs} {'limit' if limit.why is None else 'none'}", *opened]


def _kind(word: str, case: LimitCase) -> str:
    if word.startswith("dies"):
        return "dies while it looks"
    if word.startswith("-"):
        return "dies of the quota"
    procs, _, found = word.partition(" ")
    return "no limit" if found == "none" else "limit lowers" if int(procs) < case.cpus else "limit is above the CPUs"


def _value(case: EnvironmentCase, name: str) -> str:
    return next((value for key, value in case.entries if key == name), "")


def _expected_death(said: list[str], case: EnvironmentCase) -> str | None:
    """What the program would print, by the answers of the oracle and in the order of a program's start."""
    if said[0] == "dies cgocheck":
        return CGOCHECK_DEATH
    if said[2] == "dies malformed":
        value = _value(case, "GOMEMLIMIT")  # what is not printable comes as escapes, in words of our own
        return f"GOMEMLIMIT={value}\nfatal error: malformed GOMEMLIMIT; see `go doc" if value.isprintable() else "GOMEMLIMIT="
    if int(said[1]) >= HOPELESS_PROCS:
        return "fatal error: out of memory"
    _, _, removed = (said[0] + "  ").split(" ", 2)
    if not removed.strip():
        return None
    key, _, value = removed.strip().partition("=")
    return f'fatal error: removed GODEBUG "{key}" set to old value "{value}" in environment'


def _check_parts(line: int, said: list[str], case: EnvironmentCase) -> None:
    """Each grammar for itself: in a program that dies, too."""
    memory = parse_gomemlimit(_value(case, "GOMEMLIMIT"), line)
    gogc = parse_gogc(_value(case, "GOGC"), line)
    assert str(parse_gomaxprocs(_value(case, "GOMAXPROCS"), line) or 0) == said[1], f"GOMAXPROCS in Go 1.{line}"
    assert ("dies malformed" if memory is None else str(memory)) == said[2], f"GOMEMLIMIT in Go 1.{line}"
    assert (100 if gogc is None else gogc) == max(int(said[3]), -1), f"GOGC in Go 1.{line}"  # setGCPercent makes -1 of all below


def _check_derivation(version: GoVersion, said: list[str], end: str | None, case: EnvironmentCase) -> None:
    """The derivation as a whole, on 8 CPUs without a quota."""
    unlimited = LimitSeen(cause="max", why="there is none")
    inputs = GoInputs(version=version, default_godebug=case.default_godebug, environ=case.entries, affinity_count=8, limit=unlimited)
    derived = derive(inputs)
    if end is not None:
        assert (derived.dies or "").startswith(end), f"Go 1.{version.minor}"
        assert (derived.gomaxprocs, derived.gomemlimit, derived.gogc) == (None, None, None)
    else:
        assert derived.dies is None, f"Go 1.{version.minor}"
        memory, gogc = int(said[2]), int(said[3])
        expected = (int(said[1]) or 8, "off" if memory == NO_LIMIT else memory, "off" if gogc < 0 else gogc)
        assert (derived.gomaxprocs, derived.gomemlimit, derived.gogc) == expected, f"Go 1.{version.minor}"
    if version.minor >= 25 and said[0] != "dies cgocheck":
        assert f"{derived.aware.number} {derived.updates.number}" == " ".join(said[0].split(" ")[:2]), f"Go 1.{version.minor}"


def _version(text: str) -> GoVersion:
    found = parse_version(f"go{text}")
    assert found is not None
    return found


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def main() -> None:
    """Run as many cases as asked for, of each kind; print the counts."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1_000_000
    readers = tuple(version for version in VERSIONS if minor(version) >= 25)
    for name, compare, versions in (("limits", compare_limits, readers), ("environments", compare_environments, VERSIONS)):
        began = time.monotonic()
        seen = compare(cases, versions, seed=seed)
        print(f"{name}: {seen['cases']} cases, no difference with {', '.join(versions)} (seed {seed}, {time.monotonic() - began:.0f} s)")
        for outcome, count in sorted(seen.items()):
            print(f"  {outcome}: {count}")


if __name__ == "__main__":
    main()
