"""A machine of many equally fast CPUs on any machine: a guest whose time is the number of instructions that it has executed.

QEMU gives each emulated CPU (vCPU) a turn: the time to the next timer divided by all vCPUs, those included that nobody ever started.
After a timer has ended it counts anew for each vCPU, so that in that round each turn is shorter than the one before; the rounds after it
are even, but for vCPUs 0 and 1, on which a round ends. So there are IDLE vCPUs that never start, which make the uneven round a small part
of the time; vCPU 0 is left to whoever asks for the work, vCPU 1 is taken offline, and MEASURED ones are left, whose speeds differ by some
per cent. tests/support/equalcpus makes them keep their turns while they are idle.

Not covered: QEMU older than 8.1, which gives a vCPU all of the time to the next timer; other architectures than amd64.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parents[2]
MODULE_SOURCE = Path(__file__).parent / "equalcpus"
MEASURED = tuple(range(2, 10))
IDLE = 14
QEMU_SUITE, KERNEL_SUITE = "trixie", "bookworm"
SECONDS_TO_BOOT = 900
#: Files in /results by which guest and host wait for each other.
BOOTED, PLUGGED = "booted", "plugged"


@functools.cache
def vm() -> ModuleType:
    """scripts/vm as a module."""
    loader = importlib.machinery.SourceFileLoader("vm", str(ROOT / "scripts" / "vm"))
    spec = importlib.util.spec_from_loader("vm", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class Impossible(Exception):
    """This machine cannot have such a guest: the message says why."""


@contextlib.contextmanager
def making(place: Path) -> Iterator[Path]:
    """An empty folder that becomes ``place`` if all went well."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="making-", dir=place.parent) as work:
        (made := Path(work) / "made").mkdir()
        try:
            yield made
        except vm().Failure as failure:
            raise Impossible(str(failure)) from failure
        made.rename(place)


def qemu() -> Path:
    """A newer Debian's QEMU with all of its libraries, unpacked into the cache: the root of its files. Nothing is installed."""
    place: Path = vm().cache_folder() / f"qemu-{QEMU_SUITE}"
    if not place.exists():
        with making(place) as made, tempfile.TemporaryDirectory() as scratch:
            options = vm().apt_for(QEMU_SUITE, Path(scratch))
            vm().run_tool("apt-get", "install", "-y", "--download-only", "--no-install-recommends", "qemu-system-x86", *options)
            for archive in Path(scratch).glob("cache/archives/*.deb"):
                vm().run_tool("dpkg-deb", "-x", str(archive), str(made))
    return place


def qemu_command(root: Path) -> list[str]:
    """How that QEMU is started: by its own loader, with its own libraries."""
    libraries = root / "usr/lib/x86_64-linux-gnu"
    loader = [str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries)]
    return [*loader, str(root / "usr/bin/qemu-system-x86_64"), "-L", str(root / "usr/share/qemu"), "-L", str(root / "usr/share/seabios")]


def qemu_version(root: Path) -> str:
    """Its version; raises Impossible if it is too old, or does not start."""
    try:
        said = vm().run_tool(*qemu_command(root), "--version").decode()
    except vm().Failure as failure:
        raise Impossible(f"Debian {QEMU_SUITE}'s QEMU does not start here: {failure}") from failure
    found = re.search(r"version (\d+)\.(\d+)\S*", said)
    if not found or (int(found[1]), int(found[2])) < (8, 1):
        raise Impossible(f"needs QEMU 8.1 or newer, Debian {QEMU_SUITE} has {said.splitlines()[0]!r}")
    return found[0].removeprefix("version ")


def kernel() -> tuple[Path, str]:
    """The folder of the guest's kernel, and its version."""
    try:
        ready: Path = vm().prepare(vm().cache_folder(), KERNEL_SUITE)
    except vm().Failure as failure:
        raise Impossible(str(failure)) from failure
    return ready, (ready / "version").read_text().split()[0].removeprefix("linux-image-")


def equal_cpus(ready: Path, version: str) -> Path:
    """The kernel module, built for the guest's kernel from Debian's headers, which are not installed."""
    source = MODULE_SOURCE / "equalcpus.c"
    place: Path = vm().cache_folder() / f"equalcpus-{version}-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    if missing := [tool for tool in ("gcc", "make") if not shutil.which(tool)]:
        raise Impossible(f"needs {' '.join(missing)}: apt-get install --no-install-recommends gcc libc6-dev make")
    if not place.exists():
        with making(place) as made, tempfile.TemporaryDirectory() as scratch:
            tree = Path(scratch) / "tree"
            options = vm().apt_for(KERNEL_SUITE, _folder(Path(scratch) / "apt"))
            wanted = f"linux-headers-{version}"
            try:
                depends = vm().run_tool("apt-cache", "depends", "--recurse", "--important", wanted, *options).decode()
            except vm().Failure as failure:
                raise Impossible(f"Debian no longer has {wanted}: remove {ready} and try again ({failure})") from failure
            names = sorted(set(re.findall(r"^linux-(?:headers|kbuild)-\S+$", depends, re.MULTILINE)))
            vm().unpack_packages(names, options, Path(scratch) / "downloads", tree)
            headers = tree / "usr/src" / wanted
            makefile = headers / "Makefile"
            makefile.write_text(makefile.read_text().replace("/usr/src/", f"{tree}/usr/src/"))
            work = _folder(Path(scratch) / "work")
            shutil.copy(source, work)
            (work / "Makefile").write_text("obj-m := equalcpus.o\n")
            vm().run_tool("make", "-s", "-C", str(headers), f"M={work}", "CC=gcc", "modules")
            shutil.copy(work / "equalcpus.ko", made)
    return place / "equalcpus.ko"


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


class Machine(NamedTuple):
    """All that a guest needs: the root of QEMU's files and its version, the folder of the kernel, the module."""

    root: Path
    version: str
    kernel: Path
    module: Path


def prepare() -> Machine:
    """What is fetched and built once; raises Impossible if this machine cannot have such a guest."""
    if os.uname().machine != "x86_64":
        raise Impossible(f"it emulates amd64 for programs of this machine, which is {os.uname().machine}")
    try:
        root = qemu()
        found = qemu_version(root)
        ready, version = kernel()
        return Machine(root, found, ready, equal_cpus(ready, version))
    except OSError as error:
        raise Impossible(f"{error}; CGTUNE_CACHE names another folder") from error


def adapt(command: list[str], root: Path, monitor: Path) -> list[str]:
    """scripts/vm's command line, for that QEMU and with counted time: an instruction is a nanosecond."""
    made: list[str] = []
    count = len(MEASURED) + 2
    for word in command:
        match made[-1:], word:
            case _, "qemu-system-x86_64":
                made += qemu_command(root)
            case ["-accel"], _:
                made += ["tcg,thread=single", "-icount", "shift=0,sleep=off", "-seed", "1", "-qmp", f"unix:{monitor},server=on,wait=off"]
            case ["-smp"], _:
                made += [f"{count},maxcpus={count + IDLE},sockets=1,cores={count + IDLE},threads=1"]
            case ["-append"], _:  # the time stamp counter counts the same nanoseconds; the idle vCPUs are not the kernel's
                made += [re.sub(r"tsc_early_khz=\d+", "tsc_early_khz=1000000", word) + f" nr_cpus={count}"]
            case _:
                made.append(word)
    return made


def plug_idle(monitor: Path) -> None:
    """Add the vCPUs that never start. While the guest boots they would only cost time."""
    with socket.socket(socket.AF_UNIX) as talk:
        talk.connect(str(monitor))
        with talk.makefile("rw") as lines:

            def ask(command: str, **arguments: Any) -> Any:
                lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
                lines.flush()
                while "event" in (answer := json.loads(lines.readline())):
                    pass
                if "error" in answer:
                    raise OSError(f"QEMU does not {command}: {answer['error']['desc']}")
                return answer["return"]

            lines.readline()
            ask("qmp_capabilities")
            for free in ask("query-hotpluggable-cpus"):
                if "qom-path" not in free:
                    ask("device_add", driver=free["type"], **free["props"])


def run(machine: Machine, argv: list[str], results: Path, seconds: int) -> int:
    """Run a command in such a guest, which ends so many seconds of ours after its start at the latest; its exit status.

    The command finds /results, and in its environment CGTUNE_EQUALCPUS: the module, which it loads once /results/plugged is there: empty,
    or why the idle vCPUs are not there. It makes /results/booted before. Raises Impossible if the guest breaks down.
    """
    results = results.absolute()
    results.mkdir(parents=True, exist_ok=True)
    for name in (BOOTED, PLUGGED):
        (results / name).unlink(missing_ok=True)
    words = ["--cpus", "10", "--memory", "2G", "--timeout", str(SECONDS_TO_BOOT + seconds), "--results", str(results)]
    options = vm().parse_arguments([*words, "--env", f"CGTUNE_EQUALCPUS={machine.module}", "--", *argv])
    with tempfile.TemporaryDirectory(prefix="cgtune-vm-") as scratch:
        monitor = Path(scratch) / "monitor"

        def plug() -> None:
            while not (results / BOOTED).exists():
                time.sleep(0.1)
                if not os.path.isdir(scratch):
                    return
            why = ""
            try:
                plug_idle(monitor)
            except (OSError, ValueError) as error:
                why = str(error)
            (results / BOOTED).write_text(why)
            (results / BOOTED).rename(results / PLUGGED)

        def end(*_: object) -> NoReturn:
            raise Impossible(f"the guest took longer than {SECONDS_TO_BOOT + seconds} s")

        before = signal.signal(signal.SIGALRM, end)
        threading.Thread(target=plug, daemon=True).start()
        try:
            with contextlib.chdir(ROOT):  # the command's folder in the guest
                status: int = vm().run(options, machine.kernel, lambda command: adapt(command, machine.root, monitor))
        except vm().Failure as failure:
            raise Impossible(str(failure)) from failure
        finally:
            signal.signal(signal.SIGALRM, before)
        return status
