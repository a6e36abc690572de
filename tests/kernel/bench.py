"""cgtune run where a scenario wants it, and the kernel's own word to hold it against.

An interpreter start costs a second on an emulated CPU: cgtune runs in the test's own process, or in a fork of it, through the same two
calls that the command line makes.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cgtune.errors import CgtuneError
from tests.kernel.places import top_of
from tests.live.cgroups import Group


def report(*pids: int, root: str = "/") -> dict[str, Any]:
    """``cgtune inspect --pid ... --format json``, in this process: the same two calls the command line makes."""
    from cgtune.api import inspect as inspect_processes
    from cgtune.outputs.json import render_json

    parsed: dict[str, Any] = json.loads(render_json(inspect_processes(pids=list(pids), root=root)))
    assert parsed["schema"] == "cgtune/report/v1"
    return parsed


def inspect(pid: int, root: str = "/") -> dict[str, Any]:
    """The report's one entry for this process."""
    (entry,) = report(pid, root=root)["processes"]
    assert entry["pid"] == pid
    result: dict[str, Any] = entry
    return result


def attempt(pid: int) -> dict[str, Any] | CgtuneError:
    """The report's entry, or the one clear line that says why there is none. Anything else that is raised fails the test."""
    try:
        return inspect(pid)
    except CgtuneError as error:
        said = error
    assert len(str(said).splitlines()) == 1
    return said


def elsewhere(*steps: Callable[[], object], look: Callable[[], Any]) -> Any:
    """What ``look`` returns in a fork of this process that took the steps first: entered a group, a namespace, mounted something."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with os.fdopen(write, "w") as told:
            try:
                for step in steps:
                    step()
                told.write(json.dumps({"seen": look()}))
            except BaseException:  # noqa: BLE001  # a fork must not return into the test's frames, whatever happened
                told.write(json.dumps({"failed": traceback.format_exc()}))
            told.flush()
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    told = json.loads(text or '{"failed": "the fork died without a word"}')
    assert "failed" not in told, told["failed"]
    return told["seen"]


def told_cpu(place: Path) -> tuple[int | None, int | None]:
    """Quota and period of one cgroup directory, read with plain file calls; no quota: None; no such files: None, None."""
    if (place / "cpu.max").exists():
        quota, period = (place / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota), int(period)
    if (place / "cpu.cfs_quota_us").exists():
        number = int((place / "cpu.cfs_quota_us").read_text())
        return None if number < 0 else number, int((place / "cpu.cfs_period_us").read_text())
    return None, None


def told_memory(place: Path) -> int | None:
    """The memory limit of one cgroup directory in bytes; None: no limit, or no such file."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        if (place / name).exists():
            word = (place / name).read_text().strip()
            # v1's "no limit": LONG_MAX rounded down to whole pages
            return None if word == "max" or int(word) >= sys.maxsize // 4096 * 4096 else int(word)
    return None


def levels(place: Path, top: Path) -> list[Path]:
    """The directories from a cgroup up to the top of its mount, the leaf first."""
    names = place.relative_to(top).parts
    return [top.joinpath(*names[:count]) for count in range(len(names), -1, -1)]


def path_below(place: Path, top: Path) -> str:
    """The cgroup path of a directory, as a report shows it: what could steer a terminal as its code."""
    return shown("/" + "/".join(place.relative_to(top).parts))


def shown(text: str) -> str:
    """A name in a report."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def assert_cpu_as_told(entry: dict[str, Any], place: Path) -> None:
    """Each level of the reported CPU chain says what the kernel's file says, and the limit is the least of them."""
    rows = entry["enforced"]["cpu"]["chain"]
    top = top_of(place)
    places = levels(place, top)
    expected = []
    for folder in places:
        quota_us, period_us = told_cpu(folder)
        path = path_below(folder, top)
        expected.append(
            (path, quota_us, None if quota_us is None else period_us, None if quota_us is None else quota_us / (period_us or 1))
        )
    reported = [
        (row["path"], row["quota_us"], row["period_us"] if row["quota_us"] is not None else None, row["limit_cores"]) for row in rows
    ]
    assert reported == expected
    limits = [limit for *_, limit in expected if limit is not None]
    assert entry["enforced"]["cpu"]["limit_cores"] == (min(limits) if limits else None)


def assert_memory_as_told(entry: dict[str, Any], place: Path) -> None:
    """Each level of the reported memory chain says what the kernel's file says, and the limit is the least of them."""
    rows = entry["enforced"]["memory"]["chain"]
    top = top_of(place)
    expected = [(path_below(folder, top), told_memory(folder)) for folder in levels(place, top)]
    assert [(row["path"], row["limit_bytes"]) for row in rows] == expected
    limits = [limit for _, limit in expected if limit is not None]
    assert entry["enforced"]["memory"]["limit_bytes"] == (min(limits) if limits else None)


def place_of(group: Group, controller: str) -> Path:
    """The directory of a group in the hierarchy that holds the controller."""
    return group._directories[controller][1]  # the harness's own record


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 240) -> None:
    """Return once the condition holds; fail when it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def written(path: Path, text: str) -> Iterator[None]:
    """A kernel file with another content for a while."""
    before = path.read_text().strip()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)
