"""One system call after the other fails under cgtune, while it looks at one process: what does it say then?

``python -m tests.support.faults PID ROUTE [ERRNO...]`` runs with faults.c preloaded (``build``, ``environment``), in which each call on the
files of /proc and /sys can be made to fail. ROUTE is check, inspect or look (one look of the service that searches). It prints one line of
JSON for each injection. Without errnos they take turns, one for each call: a quick share of all.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support import toolchains

ERRNOS = (errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ESTALE, errno.EACCES)
ROUTES = ("check", "inspect", "look")
#: What faults_arm takes, as faults.c has it; HALF in place of an errno.
FOR_GOOD, KERNELS, LIBRARIES, LOG, NAMED = 1, 2, 4, 8, 16
HALF = -1000
_SOURCE = Path(__file__).with_name("faults.c")
_MOST_CALLS = 5000  # far beyond what one process costs

Said = dict[str, Any]


def build() -> Path:
    """The library to preload, kept in the cache by its content. Raises FileNotFoundError without gcc."""
    place = toolchains.cache() / "programs" / f"faults-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]}.so"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        made = place.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", "-O1", "-Wall", "-shared", "-fPIC", "-o", made, _SOURCE, "-ldl"], check=True)
        made.replace(place)
    return place


def inject(pid: int, route: str, *errnos: int) -> list[Said]:
    """What was said under each fault, the undisturbed run first."""
    words = [sys.executable, "-m", "tests.support.faults", str(pid), route, *map(str, errnos)]
    environment = {**os.environ, "LD_PRELOAD": str(build())}
    done = subprocess.run(words, env=environment, cwd=_SOURCE.parents[2], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def library() -> ctypes.CDLL:
    """What was preloaded into this very program."""
    library = ctypes.CDLL(None)
    library.faults_hit.restype = library.faults_log.restype = ctypes.c_char_p
    return library


def _check(pid: int) -> Callable[[], Said]:
    from tests.support import inside

    def run() -> Said:
        done = inside.run("check", "--pid", pid)
        return {"code": done.returncode, "out": done.stdout, "err": done.stderr}

    return run


def _inspect(pid: int) -> Callable[[], Said]:
    from tests.support import inside

    def run() -> Said:
        done = inside.run("inspect", "--pid", pid, "--format", "json")
        report = json.loads(done.stdout) if done.stdout else {"processes": [], "notes": []}
        (process,) = report["processes"] or [{"go": None, "settings": {}, "findings": [], "notes": []}]
        settings = {name: [setting["derived"], setting["recommended"]] for name, setting in process["settings"].items()}
        notes = [note["path"] for note in process["notes"] + report["notes"]]
        rules = [finding["rule"] for finding in process["findings"]]
        return {"code": done.returncode, "err": done.stderr, "rules": rules, "settings": settings, "notes": notes}

    return run


def _look(pid: int) -> Callable[[], Said]:
    """A look under the fault, and one after it, by one and the same service."""
    from cgtune.errors import CgtuneError
    from cgtune.service import follow
    from cgtune.system.host import Host
    from cgtune.verdict import blind, blind_partly

    shim = library()

    def said(follower: follow.Follower, second: float) -> Said:
        look = follower.look(second)
        rules = [finding.rule for process in look.report.processes for finding in process.findings]
        words = [None if why is None else why.what for why in (blind(look.report), blind_partly(look.report))]
        return {"rules": rules, "unreadable": look.unreadable, "troubles": sorted(look.troubles), "blind": words}

    def run() -> Said:
        with Host() as host, patch.object(follow, "list_pids_by_psutil", lambda _host: [pid]):  # the others are not ours to look at
            try:
                follower = follow.Follower(host, (), None)
                first = said(follower, 0.0)
            except CgtuneError as error:
                return {"refused": str(error)}
            hit = shim.faults_hit().decode()
            shim.faults_off()
            return {**first, "after": said(follower, 1.0), "hit": hit}

    return run


def main(pid: int, route: str, errnos: list[int]) -> None:
    """One line of JSON for the undisturbed run, and one for each injection."""
    shim = library()
    run = {"check": _check, "inspect": _inspect, "look": _look}[route](pid)
    run()  # what is imported on the way is there from now on
    for call, number in _injections(errnos):
        shim.faults_arm(b"", ctypes.c_long(call), number, FOR_GOOD | KERNELS)
        said = run()
        shim.faults_off()
        hit = said.pop("hit", None) or shim.faults_hit().decode()
        if call and not hit:
            break
        print(json.dumps({"call": hit, "errno": errno.errorcode.get(number, ""), **said}), flush=True)


def _injections(errnos: list[int]) -> Iterator[tuple[int, int]]:
    yield 0, 0
    for call in range(1, _MOST_CALLS):
        for number in errnos or [ERRNOS[call % len(ERRNOS)]]:
            yield call, number


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], [int(word) for word in sys.argv[3:]])
