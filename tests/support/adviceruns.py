"""One run of a load of tests/support/goloads under real limits: what scripts/bench/advice does again and again.

Each run is checked: its cgroup was empty and had nothing charged before, the limits read back are those that were written, a run that was
killed for memory is told from one that failed, and what others took of the machine meanwhile stands in its row.

Not covered: cgroups of several programs; swap, which is off.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.live.cgroups import Group
from tests.support import toolchains

SOURCE = Path(__file__).parent / "goloads"
MIB = 1 << 20
PATTERNS = ("small", "block", "large", "burst", "maps", "stacks", "tmpfs", "mmap", "cgo")
#: Work beside each 256 KiB of allocation, in steps of about a nanosecond.
SPINS = {"storm": 0, "moderate": 600_000, "quiet": 6_000_000}
PERIOD_US = 100_000
CONNECTIONS = 64
MOST_LEFT_BYTES = 4 * MIB  # pages of the programs' own files may stay charged
EMULATED = "CGTUNE_BENCH" in os.environ  # a guest of scripts/vm: touching memory takes some 20 times as long
PATIENCE_SECONDS = 120 if EMULATED else 30
RAM_DISK = Path("/dev/ram0")
MOST_STOLEN = 0.02
MOST_OTHERS = 0.15


class Invalid(Exception):
    """A run that would have told nothing: the message says which check it missed."""


class Memory(NamedTuple):
    """One cell of the memory part: under ``limit_mib`` so much of what is left beside the pattern's own memory is alive."""

    pattern: str
    limit_mib: int
    live_percent: int
    speed: str = "moderate"

    @property
    def work_mib(self) -> int:
        """How much it allocates: some ten collections, fewer if it allocates slowly or the CPU is emulated."""
        return self.limit_mib * {"storm": 20, "moderate": 3, "quiet": 1}[self.speed] // (4 if EMULATED else 1)

    @property
    def most_cpu_seconds(self) -> float:
        """Some five times the CPU time that its work takes if nothing thrashes."""
        return (5 + self.work_mib * {"storm": 0.01, "moderate": 0.05, "quiet": 0.15}[self.speed]) * (40 if EMULATED else 1)


class Serving(NamedTuple):
    """One cell of the CPU part: under so many CPUs requests come that ask for ``load_percent`` of them; ``kind`` "cpu" or "alloc"."""

    kind: str
    quota: float
    load_percent: float


def build(name: str, version: str) -> Path:
    """The load "memory" or "server", built by this Go and kept in the cache; "memory-cgo" can take memory by malloc too, and needs gcc;
    the runtime of "server-nops" waits with NOPs for a lock.
    """
    folder, _, variant = name.partition("-")
    cgo = variant == "cgo"
    sources = sorted((SOURCE / folder).glob("*.go"))
    module = f"module example.com/{folder}\n\ngo {version.rpartition('.')[0]}\n"
    key = hashlib.sha256(repr((version, name, module, [path.read_bytes() for path in sources])).encode()).hexdigest()[:16]
    place = toolchains.cache() / "programs" / f"load-{name}-{version}-{key}"
    if place.is_file():
        return place
    if cgo and not shutil.which("gcc"):
        raise toolchains.ToolchainUnavailable("gcc is missing: apt-get install --no-install-recommends gcc libc6-dev")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        source = Path(scratch) / "source"
        shutil.copytree(SOURCE / folder, source)
        (source / "go.mod").write_text(module)
        flags = ["-buildvcs=false", *(_without_pauses(version, Path(scratch)) if variant == "nops" else ())]
        made = toolchains.build(version, source, Path(scratch) / "program", *flags, CGO_ENABLED="1" if cgo else "0")
        os.replace(made, place)
    return place


def _without_pauses(version: str, scratch: Path) -> tuple[str]:
    """The flag by which 16 NOPs stand for each PAUSE of Go's runtime: to an emulated CPU that counts, a PAUSE is the end of its turn."""
    original = toolchains.goroot(version) / "src" / "runtime" / "asm_amd64.s"
    text = original.read_text()
    if text.count("\tPAUSE\n") != 1:
        raise Invalid(f"the runtime of Go {version} waits in another way than by one PAUSE in {original}")
    changed, overlay = scratch / "asm_amd64.s", scratch / "overlay.json"
    changed.write_text(text.replace("\tPAUSE\n", "\tBYTE $0x90\n" * 16))
    overlay.write_text(json.dumps({"Replace": {str(original): str(changed)}}))
    return (f"-overlay={overlay}",)


class Watch:
    """What others took of this machine while a run was on: ``stolen`` by its host, ``others`` by other programs, in parts of its CPUs."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._before = self._read()

    def _read(self) -> tuple[float, float, float, float]:
        fields = [int(word) / os.sysconf("SC_CLK_TCK") for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return time.monotonic(), sum(fields) - fields[3] - fields[4] - fields[7], fields[7], used_seconds(self._group)

    def end(self, own_seconds: float = 0.0) -> tuple[float, float]:
        """(stolen, others) since the begin, without the cgroup's own use and ``own_seconds`` outside of it."""
        elapsed, busy, stolen, own = (now - then for then, now in zip(self._before, self._read(), strict=True))
        cpus = (os.cpu_count() or 1) * elapsed
        return stolen / cpus, max(0.0, busy - own - own_seconds) / cpus


def used_seconds(group: Group) -> float:
    """CPU time of all that ever ran in the cgroup."""
    if group.version("cpu") == 2:
        return int(dict(line.split() for line in group.read("cpu", "cpu.stat").splitlines())["usage_usec"]) / 1e6
    return int(group.read("cpuacct", "cpuacct.usage")) / 1e9


def charged_bytes(group: Group) -> int:
    """What is charged to the cgroup's memory now."""
    return int(group.read("memory", "memory.current" if group.version("memory") == 2 else "memory.usage_in_bytes"))


def peak_bytes(group: Group) -> int | None:
    """The most that was charged since the cgroup was made; None: this kernel does not tell."""
    with contextlib.suppress(OSError):
        return int(group.read("memory", "memory.peak" if group.version("memory") == 2 else "memory.max_usage_in_bytes"))
    return None


def prepare(group: Group, *, limit_mib: int | None = None, quota: float | None = None, burst_us: int = 0) -> None:
    """Make the cgroup anew with these limits and no swap; raises Invalid if it is not empty or if a limit is not what was written."""
    for place in group.directories():
        if left := (place / "cgroup.procs").read_text().split():
            raise Invalid(f"{place} still holds {', '.join(left)}")
    if group.version("memory") == 1:
        with contextlib.suppress(OSError):
            group.write("memory", "memory.force_empty", "0")
    cpuset = [group.read("cpuset", name) for name in ("cpuset.cpus", "cpuset.mems")]
    _remake(group)
    if group.version("cpuset") == 1:
        for name, text in zip(("cpuset.cpus", "cpuset.mems"), cpuset, strict=True):
            group.write("cpuset", name, text)
    if charged_bytes(group) > MOST_LEFT_BYTES:
        raise Invalid(f"{charged_bytes(group) // MIB} MiB are charged to {group.path} before the run")
    if limit_mib is not None:
        _limit_memory(group, limit_mib * MIB)
    if quota is not None:
        group.limit_cpu(round(quota * PERIOD_US))
        said = group.read("cpu", "cpu.max" if group.version("cpu") == 2 else "cpu.cfs_quota_us").split()[0]
        if int(said) != round(quota * PERIOD_US):
            raise Invalid(f"a quota of {quota} CPUs was written to {group.path}, and {said} µs are read back")
    if burst_us:
        group.write("cpu", "cpu.max.burst" if group.version("cpu") == 2 else "cpu.cfs_burst_us", str(burst_us))


def _remake(group: Group) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            group.remake()
        except OSError:  # what was killed this moment still counts for a while
            if time.monotonic() > deadline:
                raise
            for place in group.directories():
                place.mkdir(exist_ok=True)
            time.sleep(0.05)
        else:
            return


def _limit_memory(group: Group, limit_bytes: int) -> None:
    group.limit_memory(limit_bytes)
    two = group.version("memory") == 2
    with contextlib.suppress(OSError):  # a machine without swap may not have these
        group.write("memory", "memory.swap.max" if two else "memory.swappiness", "0")
    said = group.read("memory", "memory.max" if two else "memory.limit_in_bytes").strip()
    if said != str(limit_bytes):
        raise Invalid(f"a limit of {limit_bytes} bytes was written to {group.path}, and {said} is read back")


def environment(memory_limit: int | None, gogc: str | None, procs: int | None) -> dict[str, str]:
    """The Go variables of a run; what is None is not set."""
    pairs = {"GOMEMLIMIT": memory_limit, "GOGC": gogc, "GOMAXPROCS": procs}
    return {name: str(value) for name, value in pairs.items() if value is not None}


def _whole(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a load: nothing of our own that Go reads."""
    return {"PATH": "/usr/bin:/bin", **variables}


@contextlib.contextmanager
def mapped_file(bytes_: int) -> Iterator[Path]:
    """A file of so many bytes on a disk, in nobody's page cache; in a guest of scripts/vm its RAM disk. Raises Invalid if temporary files
    are memory.
    """
    folder = Path(os.environ.get("TMPDIR", "/var/tmp"))
    with tempfile.NamedTemporaryFile(dir=folder, prefix="cgtune-test-") as file:
        kind = subprocess.run(["stat", "-f", "-c", "%T", file.name], capture_output=True, text=True, check=True).stdout.strip()
        if EMULATED and RAM_DISK.is_block_device():
            yield RAM_DISK
            return
        if kind in ("tmpfs", "ramfs", "overlayfs", "v9fs", "9p"):
            raise Invalid(f"{folder} is {kind}: no file there has pages that can be taken away (set TMPDIR)")
        file.write(os.urandom(MIB) * (bytes_ // MIB))
        file.flush()
        os.fsync(file.fileno())
        yield Path(file.name)


def _drop(path: Path | None) -> None:
    """Take a file's pages out of the page cache, so that whoever reads it next is charged."""
    if path is not None:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def start_memory(
    group: Group, program: Path, cell: Memory, variables: Mapping[str, str], mapped: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start the load of this cell in the cgroup, which is made ready for it."""
    prepare(group, limit_mib=cell.limit_mib)
    _drop(mapped)
    words = [str(program), cell.pattern, str(cell.limit_mib), str(cell.live_percent), str(cell.work_mib), str(SPINS[cell.speed])]
    words += [str(mapped)] if mapped is not None else []
    return group.start_piped(words, _whole(variables))


def run_memory(
    group: Group, program: Path, cell: Memory, variables: Mapping[str, str], mapped: Path | None = None, patience_seconds: float = 300
) -> dict[str, Any]:
    """One run to its end: what it cost, and its outcome: ok, oom (killed for memory), slow (some five times the usual CPU time was not
    enough), timeout (it did not get its CPU, which tells nothing), or "fail" and why.
    """
    load = start_memory(group, program, cell, variables, mapped)
    watch, end, out, err, outcome = Watch(group), time.monotonic() + patience_seconds, b"", b"", ""
    while not outcome:
        try:
            out, err = load.communicate(timeout=1)
            outcome = "ok" if load.returncode == 0 else "oom" if group.oom_kills() else f"fail {load.returncode} {err.decode()[:80]!r}"
        except subprocess.TimeoutExpired:
            outcome = "slow" if used_seconds(group) > cell.most_cpu_seconds else "timeout" if time.monotonic() > end else ""
    if load.poll() is None:
        load.kill()
        load.communicate()
    stolen, others = watch.end()
    said = json.loads(out) if outcome == "ok" else {"cpu": used_seconds(group)}
    peak = peak_bytes(group)
    row: dict[str, Any] = {name: round(said[name], 4) for name in ("cpu", "wall", "gc", "p50", "p99", "max") if name in said}
    return row | {"outcome": outcome, "peak": "" if peak is None else peak // MIB, "steal": round(stolen, 3), "others": round(others, 3)}


def wait_for_line(load: subprocess.Popen[bytes], word: str, seconds: float = 120) -> None:
    """Wait until a load says this; raises Invalid if it ends, or says nothing."""
    assert load.stdout is not None
    ready, _, _ = select.select([load.stdout], [], [], seconds)
    said = load.stdout.readline().decode().strip() if ready else "nothing"
    if said != word:
        raise Invalid(f"the load did not get to {word!r}: it said {said or 'no more'!r}")


def go_on(load: subprocess.Popen[bytes]) -> None:
    """Let a load that asks go on."""
    assert load.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        load.stdin.write(b"\n")
        load.stdin.flush()


def calibrate(program: Path) -> float:
    """How many turns of the server's loop this machine does in a microsecond."""
    return float(subprocess.run([program, "calibrate"], capture_output=True, text=True, check=True).stdout)


def run_serving(
    group: Group,
    program: Path,
    cell: Serving,
    procs: int,
    seed: int,
    *,
    turns: float,
    seconds: float = 4.0,
    overhead_us: float = 30.0,
    burst_us: int = 0,
    before_generator: Sequence[str] = (),
) -> dict[str, Any]:
    """One run of the server with requests that come as they like; ``load_percent`` 0: without pause. A row in the columns of the recorded
    ones, with what others took beside. ``before_generator``: the words of a program that becomes the generator.
    """
    prepare(group, quota=cell.quota, burst_us=burst_us)
    rate = cell.load_percent / 100 * cell.quota * 1e6 / (1000 + overhead_us)
    with tempfile.TemporaryDirectory(prefix="cgtune-test-") as folder:
        variables = {
            "SOCKET": f"{folder}/socket",
            "CONNECTIONS": str(CONNECTIONS if rate else 32),
            "TURNS": str(turns),
            "SKIP": str(int(rate * seconds / 10)),
            "GOMAXPROCS": str(procs),
            **({"ALLOCATE": "4096", "LIVE": str(MIB)} if cell.kind == "alloc" else {}),
            **({} if rate else {"CLOSED": str(seconds)}),
        }
        server = group.start_piped([str(program), "serve"], _whole(variables))
        wait_for_line(server, "ready")
        before, used, watch, begin = group.throttled(), used_seconds(group), Watch(group), time.monotonic()
        own, sent = 0.0, {"latest_ms": 0.0}
        if rate:
            argv = [*before_generator, str(program), "generate", str(rate), str(seconds), str(seed)]
            began = os.times()
            done = subprocess.run(argv, env=_whole(variables), capture_output=True, text=True, check=True)
            ended = os.times()
            own = ended.children_user + ended.children_system - began.children_user - began.children_system
            sent = json.loads(done.stdout)
        else:
            go_on(server)
        out, err = server.communicate(timeout=120)
    wall = time.monotonic() - begin
    if server.returncode:
        raise Invalid(f"the server ended with {server.returncode}: {err.decode()[:80]!r}")
    said = json.loads(out)
    stolen, others = watch.end(own)
    throttled = [now - then for then, now in zip(before, group.throttled(), strict=True)]
    row = {
        "kind": cell.kind,
        "mode": "open" if rate else "closed",
        "quota": f"{cell.quota:g}",
        "period_us": PERIOD_US,
        "burst_us": burst_us,
        "gomaxprocs_set": procs,
        "load_percent": f"{cell.load_percent:g}",
        "gogc": "",
        "gomaxprocs": said["procs"],
        "requests": said["requests"],
        **{f"{name}_ms": round(said[name], 3) for name in ("mean", "p50", "p99", "p999", "max")},
        "rate": round(said["rate"], 2),
        "offered": round(rate, 2),
        "gc_cycles": said["gc"],
        "periods": throttled[0],
        "throttled": throttled[1],
        "throttled_ms_all_threads": round(throttled[2] * 1000, 1),
        "usage_s": round(used_seconds(group) - used, 4),
        "wall_s": round(wall, 3),
        "seed": seed,
    }
    return row | {"steal": round(stolen, 3), "others": round(others, 3), "latest_ms": sent["latest_ms"]}
