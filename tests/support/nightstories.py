"""Six nights, played for real: each hurts a Go program in control groups of its own, and every face has to say so in its first line.

``scripts/stories`` runs it, here and in the bench. What counts: the harm (since when), its cause, and what would end it.
"""

from __future__ import annotations

import argparse
import html
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.live.cgroups import Group, Groups, hierarchies, own_groups
from tests.support import goprograms
from tests.support.alerts import read_alerts
from tests.support.command import ROOT, run, run_on_terminal
from tests.support.serving import Service

MIB = 1 << 20
GO = "1.24.11"
_NAME = "shop"  # of the program that is hurt
_WINDOW_SECONDS = 6
_PATIENCE_SECONDS = 240.0  # the bench's CPUs are emulated


class Untold(Exception):
    """A story whose end nobody would have guessed from what was said."""


class Night(NamedTuple):
    """What a story is played with."""

    groups: Groups
    program: Path
    service: Service

    def run(self, group: Group, *commands: str, **environ: str) -> int:
        """The pid of a Go program that obeys these, inside the group, and stays until the story ends."""
        return group.start([str(self.program), *commands, "sleep 3600000"], **environ).pid

    def wait_for(self, is_so: Callable[[], object], what: str) -> None:
        """Until it is so."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > end:
                raise Untold(f"never happened: {what}")
            time.sleep(0.2)


class Story(NamedTuple):
    """One night. ``play`` gives back the pid of the one that is hurt; ``harm``, ``cause`` and ``end`` are patterns of what has to be said.

    ``options`` are those with which inspect, ps and check look, ``asks`` whether they ask the service; ``versions`` the hierarchies that
    can do it.
    """

    name: str
    about: str
    play: Callable[[Night], int]
    rules: tuple[str, ...]
    harm: str
    cause: str
    end: str
    options: tuple[str, ...] = ()
    versions: tuple[int, ...] = (1, 2)
    asks: bool = False


def _throttled(night: Night) -> int:
    group = night.groups.make("app")
    group.limit_cpu(20_000)
    return night.run(group, "burn 4")


def _started(night: Night) -> int:
    group = night.groups.make("app")
    group.limit_cpu(20_000)
    pid = night.run(group, "burn 4")
    night.wait_for(lambda: group.throttled()[0] >= 50, "fifty periods of its start")
    return pid


def _contended(night: Night) -> int:
    quiet, loud = night.groups.make("node", "app"), night.groups.make("node", "batch")
    _weigh(20, quiet)
    _weigh(500, loud)
    night.run(loud, f"burn {4 * (os.cpu_count() or 1)}")
    return night.run(quiet, "burn 1")


def _killed(night: Night) -> int:
    group = night.groups.make("app")
    group.limit_memory(64 * MIB)
    environ = {"GOMEMLIMIT": "57MiB"}
    victim = group.start([str(night.program), f"alloc {20 * MIB}", "sleep 15000", f"alloc {100 * MIB}"], **environ)
    night.wait_for(lambda: victim.poll() is not None, "the kill")
    night.wait_for(lambda: night.service.events("process-killed"), "the service's word of the kill")
    group.remake()  # as a container that is made anew: nothing counts the kill any more
    for place in group.directories():
        _fill_cpuset(place)
    group.limit_memory(64 * MIB)
    return night.run(group, f"alloc {4 * MIB}", **environ)


def _fill_cpuset(place: Path) -> None:
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (place / name).exists() and not (place / "cgroup.controllers").exists():
            (place / name).write_text((place.parent / name).read_text())


def _squeezed(night: Night) -> int:
    group = night.groups.make("app")
    group.limit_memory(256 * MIB)
    group.write("memory", "memory.high", str(40 * MIB))
    return night.run(group, "garbage 800000")


def _resized(night: Night) -> int:
    group = night.groups.make("app")
    _weigh(10_000, night.groups.make(), group)  # others on this machine are not what the story is about
    group.limit_memory(96 * MIB)
    pid = night.run(group, "garbage 1300000", GOMEMLIMIT="60MiB")
    time.sleep(5)
    group.limit_memory(512 * MIB)
    return pid


def _weigh(weight: int, *groups: Group) -> None:
    for group in groups:
        if group.version("cpu") == 2:
            group.write("cpu", "cpu.weight", str(weight))
        else:
            group.write("cpu", "cpu.shares", str(weight * 1024 // 100))


_WINDOW = ("--window", str(_WINDOW_SECONDS))
STORIES = (
    Story(
        *("throttled", "a program with four busy threads under a fifth of a CPU", _throttled, ("cpu-throttled",)),
        harm="hurts now",
        cause=r"throttled in [0-9.]+ % of the periods",
        end="raise the CPU limit",
        options=_WINDOW,
    ),
    Story(
        *("start", "the same in its first seconds, before it is ready", _started, ("started-throttled", "cpu-throttled")),
        harm="hurts now",
        cause=r"stopped in \d+ of its first|throttled in [0-9.]+ % of the periods",
        end="more CPU while it starts|raise the CPU limit",
    ),
    Story(
        *("neighbour", "a batch job of great weight takes the CPUs, no quota anywhere", _contended, ("cpu-contended",)),
        harm="hurts now",
        cause="no quota explains that",
        end="busy with others.*larger CPU request",
        options=_WINDOW,
    ),
    Story(
        *("killed", "killed by the OOM killer and started again in a cgroup made anew", _killed, ("oom-killed", "gomemlimit-near-limit")),
        harm="hurt earlier",
        cause="OOM kills: ",
        end="raise the memory limit|GOMEMLIMIT=",
        asks=True,
    ),
    Story(
        *("squeezed", "memory.high below what it keeps alive: slowed down, never killed", _squeezed, ("memory-stalling",)),
        harm="hurts now",
        cause="waited for memory",
        end="raise memory.high|GOMEMLIMIT=",
        options=_WINDOW,
        versions=(2,),
    ),
    Story(
        *("resized", "the limit was raised in place, and GOMEMLIMIT is of the old one", _resized, ("gomemlimit-stale",)),
        harm="hurts now",
        cause="leaves room for more",
        end="GOMEMLIMIT=",
        options=_WINDOW,
    ),
)


def tell(story: Story, program: Path) -> Iterator[tuple[str, str]]:
    """Play it, and give each face's name with the line in which it has to be said."""
    with (
        tempfile.TemporaryDirectory() as folder,
        own_groups("cpuacct") as groups,
        Service("--interval", "3s", "--least-age", "0s") as service,
    ):
        own = Path(folder) / _NAME
        shutil.copy(program, own)
        service.wait_for_report()
        before = service.fetch("/metrics").body
        night = Night(groups, own, service)
        pid = story.play(night)
        options = (*story.options, *(("--serve-url", f"http://{service.address}") if story.asks else ()))
        night.wait_for(lambda: _is_judged(service, pid, story), f"{' or '.join(story.rules)} as the service's first finding on {pid}")
        yield "inspect", _first_of_inspect(_look("inspect", "--pid", pid, *options))
        yield "ps", _first_of_ps(pid, options)
        yield "check", _look("check", "--pid", pid, *options).partition("\n")[0]
        yield "page", _first_of_page(service.fetch("/").body, pid)
        yield "alert", _first_alert(before, service.fetch("/metrics").body, pid, story)


def _first_of_ps(pid: int, options: Sequence[str]) -> str:
    """The process's line, and those below it that are set in, on a terminal of 80 columns."""
    lines = _look("ps", pid, *options, start=run_on_terminal).splitlines()
    place = next((place for place, line in enumerate(lines) if line.split()[:1] == [str(pid)]), len(lines))
    below = itertools.takewhile(lambda line: line.startswith("  ") and not line.split()[0].isdigit(), lines[place + 1 :])
    return " ".join(" ".join([*lines[place : place + 1], *below]).split())


def _look(*words: object, start: Callable[..., subprocess.CompletedProcess[str]] = run) -> str:
    """What a command says; once more if a service did not answer in time, as on the bench's CPUs."""
    done = start(*words)
    for _ in range(2):
        done = done if done.stdout else start(*words)
    if not done.stdout:
        raise Untold(f"{words[0]} says nothing but {done.stderr.strip()[-300:]!r}")
    return done.stdout


def _is_judged(service: Service, pid: int, story: Story) -> bool:
    """Whether the newest report's first finding on it is the story's."""
    report = json.loads(service.fetch("/report").body)
    if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
        raise Untold(f"{pid} has ended")
    found = [entry["findings"] for entry in report["processes"] if entry["pid"] == pid]
    return bool(found and found[0]) and found[0][0]["rule"] in story.rules


def _first_of_inspect(text: str) -> str:
    """The first finding up to its first advice, in one line."""
    told: list[str] = []
    for line in text.partition(f" {_NAME}\n")[2].splitlines():
        word = line.strip()
        if told and (word.startswith("- ") or (word.startswith("> ") and any(" > " in f" {each}" for each in told))):
            break
        told.append(word)
    return " ".join(" ".join(told).split())


def _first_of_page(page: str, pid: int) -> str:
    """What is seen of a process that is not opened."""
    found = re.search(rf'<details class="process" id="p{pid}".*?<summary>(.*?)</summary>', page, re.DOTALL)
    return "" if found is None else " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found[1])).split())


def _first_alert(before: str, after: str, pid: int, story: Story) -> str:
    """The description of the one alert on the rule."""
    alerts = read_alerts(before, after, lambda labels: labels.get("pid", str(pid)) == str(pid))
    told = [alert for alert in alerts if alert.labels.get("rule") in story.rules]
    return next((f"{each.name}: {each.annotations['description']} ({each.annotations['runbook']})" for each in told), "")


def missing(story: Story, face: str, line: str) -> list[str]:
    """What a face's line does not say: the harm, the cause, the end. The list and an alert have the rule for the cause."""
    if face == "alert":
        wanted = {"the harm": "hurts now|OOM killer ended", "the cause": "|".join(story.rules), "the end": f"To end it: .*(?:{story.end})"}
    else:
        wanted = {"the harm": story.harm, "the cause": "|".join(story.rules) if face == "ps" else story.cause, "the end": story.end}
    return [what for what, pattern in wanted.items() if not re.search(pattern, line)]


def play(story: Story, program: Path) -> list[str]:
    """Print what each face says; gives back what was not said."""
    version = hierarchies()["memory"][0]
    if version not in story.versions:
        print(f"{story.name}: not on cgroup v{version}, which has no memory.high\n", flush=True)
        return []
    print(f"{story.name} (cgroup v{version}): {story.about}", flush=True)
    faults = []
    try:
        for face, line in tell(story, program):
            print(f"  {face:8} {line}", flush=True)
            faults += [f"{story.name}: {face} does not say {what}" for what in missing(story, face, line)]
    except Untold as error:
        faults.append(f"{story.name}: {error}")
    print(flush=True)
    return faults


def main(arguments: Sequence[str]) -> int:
    """Play the stories that are named, all without any; 1 if a face did not say what it should."""
    names = [story.name for story in STORIES]
    parser = argparse.ArgumentParser(prog="scripts/stories", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", choices=("here", "v2", "v1"), default="here", help="this machine, or the bench with that hierarchy")
    parser.add_argument("stories", nargs="*", metavar="STORY", help=", ".join(names))
    options = parser.parse_args(arguments)
    if wrong := [name for name in options.stories if name not in names]:
        parser.error(f"no story {wrong[0]!r}; there are {', '.join(names)}")
    program = goprograms.build(GO)
    if options.on != "here":
        inside = [sys.executable, "-B", "-m", "tests.support.nightstories", *options.stories]
        return subprocess.run([ROOT / "scripts" / "vm", "--cgroup", options.on, "--cpus", "2", "--", *inside], check=False).returncode
    faults = [fault for story in STORIES if story.name in (options.stories or names) for fault in play(story, program)]
    print("\n".join(faults) if faults else "each face said the harm, its cause and what ends it")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
