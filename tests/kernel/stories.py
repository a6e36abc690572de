"""Scenarios that scripts/capture records in the bench as fixture stories: what a real kernel shows, kept for machines that have none.

``python -m tests.kernel.stories OUT STORY...`` plays each story on the kernel it runs on and lets ``cgtune snapshot`` write it to
OUT/STORY, with ``cgtune inspect``'s report of the same moment beside it. The processes are plain sleeps, or a Go program that was built
without the paths of its source: no path of the machine that recorded them gets in.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.kernel import bench, places, subjects
from tests.kernel.places import CLONE_NEWCGROUP, CLONE_NEWNS
from tests.kernel.subjects import MIB
from tests.live import cgroups
from tests.support import command, goprograms

GO = ("1.27.3", "trimpath")  # version and build of the program in the stories that have one
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "GOMAXPROCS": "4"}


class Scene:
    """What a story is made of: groups, sleeping processes, and the moment when everything is recorded."""

    def __init__(self, out: Path, groups: cgroups.Groups) -> None:
        self._out = out
        self._groups = groups
        self._sleepers: list[int] = []
        self._probes = ExitStack()

    def make(self, *below: str) -> cgroups.Group:
        """The group at this path; where the story's own group is meant, no path."""
        return self._groups.make(*below)

    def sleep(self, *steps: Callable[[], object]) -> int:
        """The pid of a ``sleep`` that took these steps first."""
        read, write = os.pipe()  # closed by exec: reading its end means that the sleep is one
        pid = os.fork()
        if pid == 0:
            try:
                for step in steps:
                    step()
                os.chdir("/")
                os.execve("/bin/sleep", ["sleep", "600"], _ENVIRONMENT)
            finally:
                os.write(write, b"failed")
                os._exit(1)
        os.close(write)
        self._sleepers.append(pid)
        assert os.read(read, 16) == b"", "a step failed"
        os.close(read)
        return pid

    def serve(self, group: cgroups.Group, *commands: str, **environ: str) -> int:
        """The pid of a Go program in the group that was started as /srv/server and has obeyed these commands."""
        program = Path("/srv/server")
        shutil.copy(goprograms.build(*GO, language="1.27"), program)
        wrapper = ("/bin/sh", "-c", cgroups._ENTER, "sh", *map(str, group.directories()), "--")
        probe = self._probes.enter_context(goprograms.Probe(program, wrapper=wrapper, environment=environ))
        for each in commands:
            probe.ask(each)
        return probe.pid

    def record(self, pid: int, *steps: Callable[[], object]) -> None:
        """Write the snapshot and the report of this process, seen from where the steps lead."""
        bench.elsewhere(*steps, look=lambda: _record(self._out, pid))

    def end(self) -> None:
        self._probes.close()
        for pid in self._sleepers:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def _record(out: Path, pid: int) -> None:
    snapshot = command.run("snapshot", out, "--pid", pid, timeout_seconds=120)
    assert snapshot.returncode == 0, snapshot.stderr
    report = command.parse_report(command.run("inspect", "--pid", pid, "--format", "json", timeout_seconds=120))
    out.with_suffix(".json").write_text(json.dumps(report))


def _into(group: cgroups.Group) -> Callable[[], None]:
    return lambda: subjects.enter(*group.directories())


def _chain(scene: Scene, *cores: float | None) -> list[cgroups.Group]:
    names = ("kubepods.slice", "kubepods-pod1.slice", "app.scope")
    chain = [scene.make(*names[: depth + 1]) for depth in range(len(cores))]
    for group, limit in zip(chain, cores, strict=True):
        group.limit_cpu(None if limit is None else int(limit * 100_000))
    return chain


def _chain_of_three(scene: Scene) -> None:
    """Three levels with a quota and a memory limit each; for CPU the middle binds."""
    chain = _chain(scene, *((3, 1.5, 2) if _mode() == "v2" else (3, 1.5, 1)))
    for group, limit in zip(chain, (512, 384, 256), strict=True):
        group.limit_memory(limit * MIB)
    scene.record(scene.sleep(_into(chain[-1])))


def _unlimited_leaf(scene: Scene) -> None:
    """A parent of one CPU and 128 MiB over a leaf without limits."""
    parent, leaf = scene.make("parent"), scene.make("parent", "leaf")
    parent.limit_cpu(100_000)
    parent.limit_memory(128 * MIB)
    scene.record(scene.sleep(_into(leaf)))


def _awkward_name(scene: Scene) -> None:
    """A cgroup whose name holds a space, a colon and a backslash."""
    group = scene.make("a b:c\\d (deleted)")
    group.limit_cpu(70_000)
    scene.record(scene.sleep(_into(group)))


def _cpuset_and_affinity(scene: Scene) -> None:
    """A cpuset of four CPUs within one of six, and an affinity that leaves two."""
    parent, leaf = scene.make("parent"), scene.make("parent", "leaf")
    leaf.limit_cpus("2-5")
    parent.limit_cpus("0-5")
    scene.record(scene.sleep(_into(leaf), lambda: os.sched_setaffinity(0, {1, 4, 5, 7})))


def _private_namespace(scene: Scene) -> None:
    """A process in its own cgroup namespace with its own mount, seen from inside: the tighter group above is out of sight."""
    parent, leaf = scene.make("pod"), scene.make("pod", "app")
    parent.limit_cpu(100_000)
    leaf.limit_cpu(None if _mode() != "v2" else 300_000)
    into = (_into(leaf), lambda: places.unshare(CLONE_NEWCGROUP | CLONE_NEWNS), places.mount_cgroups_afresh)
    pid = scene.sleep(*into)
    scene.record(pid, *into)


def _stale_mount(scene: Scene) -> None:
    """unshare -C alone: the outer mount still shows everything, while paths start at the own group."""
    parent, leaf = scene.make("pod"), scene.make("pod", "app")
    parent.limit_cpu(100_000)
    into = (_into(leaf), lambda: places.unshare(CLONE_NEWCGROUP | CLONE_NEWNS))
    pid = scene.sleep(*into)
    scene.record(pid, *into)


def _subtree_mount(scene: Scene) -> None:
    """A container without a cgroup namespace: its mounts show its own group only, its paths are the host's."""
    parent, leaf = scene.make("docker"), scene.make("docker", "0123456789abcdef" * 4)
    parent.limit_cpu(400_000)
    leaf.limit_cpu(50_000)
    leaf.limit_memory(256 * MIB)
    into = (_into(leaf), lambda: places.unshare(CLONE_NEWNS), lambda: _bind_as_root(leaf))
    pid = scene.sleep(*into)
    scene.record(pid, *into)


def _bind_as_root(group: cgroups.Group) -> None:
    for place in group.directories():
        places.replace_mount(place)


def _high_and_swap(scene: Scene) -> None:
    """memory.high below memory.max, and no swap."""
    group = scene.make("app")
    group.limit_memory(256 * MIB)
    group.write("memory", "memory.high", str(192 * MIB))
    group.write("memory", "memory.swap.max", "0")
    scene.record(scene.sleep(_into(group)))


def _swapped(scene: Scene) -> None:
    """A Go program whose live heap is twice memory.high: the half of it is in swap."""
    group = scene.make("app")
    group.limit_memory(256 * MIB)
    group.write("memory", "memory.high", str(24 * MIB))
    with subjects.swap_area():
        scene.record(scene.serve(group, f"alloc {48 * MIB}", GOMEMLIMIT="200MiB"))


def _hurt(scene: Scene) -> None:
    """Throttled for a while, and a neighbour killed for want of memory: counters that are not 0."""
    group = scene.make("app")
    group.limit_cpu(2_000, 20_000)
    group.limit_memory(24 * MIB)
    pid = scene.sleep(_into(group), lambda: Path("/proc/self/oom_score_adj").write_text("-1000"))
    targets = subjects.Targets()
    targets.busy(group)
    bench.wait_until(lambda: group.throttled()[1] > 20, "throttled")
    targets.end()
    group.limit_cpu(200_000)
    assert subjects.die_of_hunger(group) == 9
    scene.record(pid)


def _controller_not_lent(scene: Scene) -> None:
    """The parent does not lend the cpu controller: the leaf has no quota file, the parent's quota holds."""
    parent, leaf = scene.make("parent"), scene.make("parent", "leaf")
    parent.limit_cpu(250_000)
    parent.write("cpu", "cgroup.subtree_control", "-cpu")
    scene.record(scene.sleep(_into(leaf)))


def _controllers_apart(scene: Scene) -> None:
    """cpu and memory in different groups of their own hierarchies."""
    cpu, memory = scene.make("for-cpu"), scene.make("for-memory")
    cpu.limit_cpu(120_000)
    memory.limit_memory(48 * MIB)
    places = (bench.place_of(cpu, "cpu"), bench.place_of(memory, "memory"))
    scene.record(scene.sleep(lambda: subjects.enter(*places)))


# Name: the hierarchy it is recorded on, and what happens. The names start with the kind of machine, as those of all stories do.
STORIES: dict[str, tuple[str, Callable[[Scene], None]]] = {
    "v2-bench-chain-of-three": ("v2", _chain_of_three),
    "v2-bench-unlimited-leaf": ("v2", _unlimited_leaf),
    "v2-bench-awkward-name": ("v2", _awkward_name),
    "v2-bench-cpuset-and-affinity": ("v2", _cpuset_and_affinity),
    "v2-bench-private-namespace": ("v2", _private_namespace),
    "v2-bench-stale-mount": ("v2", _stale_mount),
    "v2-bench-high-and-swap": ("v2", _high_and_swap),
    "v2-bench-swapped-out": ("v2", _swapped),
    "v2-bench-throttled-and-killed": ("v2", _hurt),
    "v2-bench-controller-not-lent": ("v2", _controller_not_lent),
    "v1-bench-chain-of-three": ("v1", _chain_of_three),
    "v1-bench-subtree-mount": ("v1", _subtree_mount),
    "v1-bench-private-namespace": ("v1", _private_namespace),
    "v1-bench-controllers-apart": ("v1", _controllers_apart),
    "v1-bench-throttled-and-killed": ("v1", _hurt),
    "hybrid-bench-chain-of-three": ("hybrid", _chain_of_three),
    "hybrid-bench-awkward-name": ("hybrid", _awkward_name),
}


def _mode() -> str:
    return os.environ.get("CGTUNE_BENCH", "")


@contextmanager
def _scene(out: Path) -> Iterator[Scene]:
    with cgroups.own_groups() as groups:
        scene = Scene(out, groups)
        try:
            yield scene
        finally:
            scene.end()


def play(name: str, out: Path) -> None:
    """Record one story into the folder OUT, and the report of the same moment into OUT.json."""
    mode, tell = STORIES[name]
    assert mode == _mode(), f"{name} is a story of {mode}, and this bench is {_mode() or 'none'}"
    with _scene(out) as scene:
        tell(scene)


def main() -> int:
    """Record the stories named on the command line."""
    out, *names = sys.argv[1:]
    for name in names:
        print(f"recording {name}", file=sys.stderr, flush=True)
        play(name, Path(out, name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
