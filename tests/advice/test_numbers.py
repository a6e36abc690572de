"""Numbers at the edges of what a kernel, a runtime or a person can write: an answer or one line, and no value outside its range."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from cgtune.commands.options import COMMANDS, load_command
from tests.rules.reports import go_facts
from tests.support import inside, stories
from tests.support.foreigntext import assert_steers_nothing
from tests.support.lintreports import MANIFEST
from tests.support.numbers import MIB, NUMBERS, STORIES, assert_is_sound, judged, replace_each

_WRITTEN = (
    *NUMBERS,
    "1e400",
    "-1e400",
    "nan",
    "inf",
    "-inf",
    "0.0000001",
    "9" * 400,
    "1m",
    "0.5",
    "9223372036854775807Ei",
    "1n",
    "-0",
    "٣",
)
_EXTREME = (0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**64, -(2**63), 10**40)


@pytest.mark.parametrize("story", STORIES)
def test_every_number_of_a_machine(story: str) -> None:
    """Limits, quotas, periods, weights, use, pressure, CPUs, times: each in turn is another, and every output can be made of it."""
    assert replace_each(story, step=len(NUMBERS)) > 100


@pytest.mark.parametrize("number", _EXTREME)
def test_every_number_of_a_runtime(number: int) -> None:
    """What stands in a program's memory, or in its environment, is its own: no finding is made of it that breaks an output."""
    report = stories.report("v2-ancestor-tighter")
    names = ("GOMAXPROCS", "GOMEMLIMIT", "GOGC")
    variables = {name: str(number) for name in names}
    for minor in (21, 24, 27):
        for facts in (
            go_facts(minor=minor, procs=number, memory=number, gogc=number, variables=variables),
            go_facts(minor=minor, procs=8, memory=number, mapped_bytes=abs(number), heap_marked_bytes=abs(number)),
            go_facts(minor=minor, procs=number, procs_derived=1, memory="off", memory_derived=number, gogc="off", cpus_at_start=number),
        ):
            assert_is_sound(judged(report, facts))


#: The numbers that a command is asked for, and what it needs beside them.
_ASKED: Mapping[str, tuple[str, ...]] = {
    "predict": ("--cpu-limit=2", "--memory-limit=512Mi", "--cpus=8"),
    "env": ("--cpu-limit=2", "--memory-limit=512Mi"),
    "inspect": ("--root", str(stories.STORIES / STORIES[0])),
    "check": ("--root", str(stories.STORIES / STORIES[0])),
    "ps": ("--root", str(stories.STORIES / STORIES[0])),
    "lint": ("orders.yaml",),
    "exec": ("--dry-run", "--", "true"),
    "fleet": ("--prometheus", "http://127.0.0.1:1"),
    "serve": ("--listen", "nowhere"),
    "policy": (),
}
_NUMERIC = re.compile(
    r"limit|request|cpus|memory|cpu|headroom|outside|min-procs|pid|window|interval|age|top|last|load|divisor|policy|reserve"
)


@pytest.mark.parametrize("name", _ASKED)
def test_every_number_of_an_option(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value in its range, or one line and exit code 2 or 3."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.yaml").write_text(MANIFEST)
    options = [
        option for option in load_command(name).options if option.kind in ("text", "whole", "number") and _NUMERIC.search(option.name)
    ]
    for index, option in enumerate(options):
        for place, written in enumerate(_WRITTEN):
            if (place + index) % 3:  # every third: each number meets some option, and each option some numbers
                continue
            value = f"smallest-limit={written}" if option.name == "--policy" else written
            asked = [word for word in _ASKED[name] if not word.startswith(f"{option.name}=")]
            done = inside.run(name, f"{option.name}={value}", *asked)
            assert done.returncode in (0, 1, 2, 3, 125), (option.name, written, done)
            assert_steers_nothing(done.stdout)
            assert done.returncode < 2 or done.stderr.count("\n") <= 12, done
            _assert_values(done.stdout, (option.name, written))


def _assert_values(text: str, about: object) -> None:
    """GOMAXPROCS and GOMEMLIMIT of an env file, or of a dry run, as Go itself takes them."""
    for value in re.findall(r"^GOMAXPROCS='?([^'\n]*)", text, re.MULTILINE):
        assert 1 <= int(value) < 2**31, about
    for value in re.findall(r"^GOMEMLIMIT='?(\S*?)'?$", text, re.MULTILINE):
        number, unit = re.fullmatch(r"(\d+)(MiB|)", value).groups()  # type: ignore[union-attr]
        assert 0 < int(number) * (MIB if unit else 1) < 2**63, about


@pytest.mark.parametrize("written", _WRITTEN)
def test_every_number_of_a_manifest(written: str, tmp_path: Path) -> None:
    """Limits, divisors and Go's variables of Kubernetes, Compose and systemd: judged, or said not to be numbers."""
    quoted = json.dumps(written)
    (tmp_path / "pod.yaml").write_text(
        MANIFEST.replace('cpu: "2"', f"cpu: {quoted}").replace("512Mi}", f"{quoted}}}").replace("value: 2", f"value: {quoted}")
    )
    (tmp_path / "bare.yaml").write_text(MANIFEST.replace('cpu: "2"', f"cpu: {written}").replace('"512MiB"', quoted))
    (tmp_path / "compose.yaml").write_text(
        f"services:\n  a:\n    image: a\n    cpus: {quoted}\n    mem_limit: {quoted}\n    cpu_quota: {quoted}\n    cpu_period: {quoted}\n"
        f"    environment: {{GOMAXPROCS: {quoted}, GOMEMLIMIT: {quoted}, GOGC: {quoted}}}\n"
    )
    (tmp_path / "a.service").write_text(
        f"[Service]\nExecStart=/a\nCPUQuota={written}%\nMemoryMax={written}\nMemoryHigh={written}\n"
        f"Environment=GOMAXPROCS={written} GOGC={written}\n"
    )
    for more in (("--format", "json"), ("--fix", "--unsafe-fixes")):
        done = inside.run("lint", "--go", "1.24", *more, tmp_path)
        assert done.returncode in (0, 1, 3), done
        assert_steers_nothing(done.stdout + done.stderr)


def test_no_command_is_left_out() -> None:
    """Each command that is asked for numbers is tried here."""
    numeric = {name for name in COMMANDS if any(option.kind in ("whole", "number") for option in load_command(name).options)}
    assert numeric - {"snapshot"} <= set(_ASKED)
