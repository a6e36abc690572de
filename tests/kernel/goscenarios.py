"""The scenarios that real Go programs run through on the bench's kernel, and what each kind of build must print there.

``starts`` and ``now`` are five columns of GOMAXPROCS, on 8 CPUs: Go up to 1.24 | 1.25 and | 1.26 or later with a go line before 1.25 |
1.25 and | 1.26 or later with go line 1.25. ``x``: the program dies at its start. They show that a scenario is what its name says; cgtune
is held against what each program itself prints.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from tests.kernel import places, subjects
from tests.kernel.gostage import Stage
from tests.kernel.places import CLONE_NEWCGROUP, CLONE_NEWNS
from tests.live.cgroups import Group, Groups

Step = Callable[[], object]
ALL = ("v2", "v1", "hybrid")
V1 = ("v1", "hybrid")
OTHER = Path("/media")  # a second folder, beside places.HELD, that every machine has


@dataclass
class Scene:
    """Where a scenario takes place. ``steps`` are what the launcher does before it starts the programs."""

    groups: Groups
    steps: list[Step] = field(default_factory=list)
    afresh: list[Step] = field(default_factory=list)
    """What programs that start after a change need in addition, to be in the same place."""

    def enter(self, *path: str, quota_us: int | None = None, period_us: int = 100_000) -> Group:
        """The programs start in this group, with this quota."""
        group = self.group(*path, quota_us=quota_us, period_us=period_us)
        self.steps.append(lambda: subjects.enter(*group.directories()))
        return group

    def group(self, *path: str, quota_us: int | None = None, period_us: int = 100_000) -> Group:
        group = self.groups.make(*path)
        if (quota_us, period_us) != (None, 100_000):
            group.limit_cpu(quota_us, period_us)
        return group

    def exempt(self) -> None:
        """Real-time threads are not throttled: many programs start under half a CPU's quota, and none waits for another."""
        self.steps.append(lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)))


@dataclass(frozen=True)
class Scenario:
    """One row of the matrix.

    ``derived_like``: cgtune's derived value must be what the programs print "now", what they printed at their "start" (the program itself
    replaced the value since), or what "fresh" programs print that are started in the same place afterwards (the runtime does not follow
    a change). Observed values must always be what the programs print now. ``held``: cgtune looks at each program before its first
    instruction too: what it derives of those that then die is held against their last words.
    """

    name: str
    starts: str
    arrange: Callable[[Scene], object]
    environment: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    change: Callable[[Scene, Stage], object] | None = None
    now: str | None = None
    derived_like: str = "now"
    pins: str = "n n n n n"
    follows: str = (
        "own"  # the limit file that an aware runtime holds open: of its "own" cgroup, "other", "gone", or "none"; two words: 1.25's, 1.26's
    )
    modes: tuple[str, ...] = ("v2",)
    held: bool = False
    dies_in_newest: bool = False  # Go 1.27 dies, whatever its column says


def _quota(quota_us: int | None, period_us: int = 100_000) -> Callable[[Scene], object]:
    def arrange(scene: Scene) -> None:
        scene.enter("app", quota_us=quota_us, period_us=period_us)
        scene.exempt()

    return arrange


def _chain(*quotas_us: int | None) -> Callable[[Scene], object]:
    """Quotas from the highest group to the leaf."""

    def arrange(scene: Scene) -> None:
        names = [f"level{number}" for number in range(len(quotas_us))]
        for depth, quota_us in enumerate(quotas_us[:-1], start=1):
            scene.group(*names[:depth], quota_us=quota_us)
        scene.enter(*names, quota_us=quotas_us[-1])

    return arrange


def _cpus(cpuset: str | None = None, affinity: set[int] | None = None, quota_us: int | None = None) -> Callable[[Scene], object]:
    def arrange(scene: Scene) -> None:
        group = scene.enter("app", quota_us=quota_us)
        scene.exempt()
        if cpuset:
            group.limit_cpus(cpuset)
        if affinity:
            scene.steps.append(lambda: os.sched_setaffinity(0, affinity))

    return arrange


def _three(*steps: Callable[[Path], object]) -> Callable[[Scene], object]:
    """3 CPUs in a group two levels down, and steps that are given its directory in the CPU hierarchy."""

    def arrange(scene: Scene) -> None:
        group = scene.enter("pod", "app", quota_us=300_000)
        place = group._directories["cpu"][1]  # the harness's own record
        scene.steps.extend(partial(step, place) for step in steps)

    return arrange


def _new_mounts(_place: Path) -> None:
    places.unshare(CLONE_NEWNS)


def _new_cgroups(_place: Path) -> None:
    places.unshare(CLONE_NEWNS | CLONE_NEWCGROUP)


def _mount_afresh(_place: Path) -> None:
    places.mount_cgroups_afresh()


def _replace_mount(place: Path) -> None:
    places.replace_mount(place)


def _replace_by_parent(place: Path) -> None:
    places.replace_mount(place.parent)


def _chroot(_place: Path) -> None:
    places.bind_all("/", places.HELD)
    os.chroot(places.HELD)
    os.chdir("/")


def _unmount(_place: Path) -> None:
    places.unmount_cgroups()


def _bind_namespace(_place: Path) -> None:
    """What ``ip netns`` leaves behind: a network namespace kept by a bind mount."""
    target = Path("/run/kept-namespace")
    target.touch()
    places.bind("/proc/self/ns/net", target)


def _mount_last(place: Path) -> None:
    """The same hierarchy mounted again, behind everything else in the mount table."""
    top = places.top_of(place)
    line = next(line.split() for line in reversed(Path("/proc/self/mounts").read_text().splitlines()) if line.split()[1] == str(top))
    places.unmount(top)
    options = [word for word in line[3].split(",") if word not in ("rw", "relatime", "nosuid", "nodev", "noexec")]
    places.mount("cgroup", top, line[2], data=",".join(options) if line[2] == "cgroup" else None)


def _bind_elsewhere(place: Path) -> None:
    places.bind(place.parent, OTHER)


def _mount_elsewhere(place: Path) -> None:
    places.mount("cgroup", OTHER, "cgroup2")


def _move_mount(place: Path) -> None:
    """The hierarchy below a path with a blank and a backslash."""
    strange = Path("/run/a b\\c")
    strange.mkdir(exist_ok=True)
    top = places.top_of(place)
    places.mount(top, strange, flags=places.MS_BIND)
    places.unmount(top)


def _sibling(*steps: Callable[[Path], object]) -> Callable[[Scene], object]:
    """Steps in a group of 5 CPUs, then a move out of the cgroup that its namespace calls /, into the one beside it, which has 3."""

    def arrange(scene: Scene) -> None:
        beside = scene.group("pod", "beside", quota_us=300_000)
        group = scene.enter("pod", "app", quota_us=500_000)
        place, other = group._directories["cpu"][1], beside._directories["cpu"][1]

        opened: list[int] = []  # before the steps: afterwards no mount shows it
        scene.steps.append(lambda: opened.append(os.open(other / "cgroup.procs", os.O_WRONLY)))
        scene.steps.extend(partial(step, place) for step in steps)
        scene.steps.append(lambda: os.write(opened[0], b"0"))

    return arrange


def _no_controller(scene: Scene) -> None:
    scene.group("pod", quota_us=300_000)
    scene.enter("pod", "app")
    scene.group("pod").write("cpu", "cgroup.subtree_control", "-cpu")


def _enable_controller(scene: Scene, _stage: Stage) -> None:
    scene.group("pod", "app", quota_us=300_000)


def _requota(quota_us: int | None, *path: str) -> Callable[[Scene, Stage], object]:
    return lambda scene, _stage: scene.groups.make(*(path or ("app",))).limit_cpu(quota_us)


def _recpus(cpus: str) -> Callable[[Scene, Stage], object]:
    return lambda scene, _stage: scene.groups.make("app").limit_cpus(cpus)


def _narrow_affinity(scene: Scene, stage: Stage) -> None:
    for pid in stage.pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), {1, 2, 3, 6})
    scene.afresh.append(lambda: os.sched_setaffinity(0, {1, 2, 3, 6}))


def _migrate(quota_us: int | None, then: Callable[[Scene], object] | None = None) -> Callable[[Scene, Stage], object]:
    def change(scene: Scene, stage: Stage) -> None:
        target = scene.group("next", quota_us=quota_us)
        for pid in (*stage.pids, stage.launcher):
            for place in target.directories():
                (place / "cgroup.procs").write_text(str(pid))
        if then:
            then(scene)

    return change


def _remove_first(scene: Scene) -> None:
    for place in scene.groups.make("app").directories():
        place.rmdir()


def _remake_first(scene: Scene) -> None:
    scene.groups.make("app").remake()
    scene.groups.make("app").limit_cpu(400_000)


def _strings(name: str, *rows: tuple[str, str] | tuple[str, str, str]) -> tuple[Scenario, ...]:
    """Under a quota of 3 CPUs, one variable's strings."""
    made = []
    for text, starts, *pins in rows:
        made.append(Scenario(f"{name}={text!r}", starts, _quota(300_000), (f"{name}={text}",), pins=pins[0] if pins else "n n n n n"))
    return tuple(made)


_TAKEN = "y y y y y"
_HUGE = 17_592_186_044_415  # a quota that the kernel takes, and that int32 does not

_LIMITS = (
    Scenario("no limit", "8 8 8 8 8", _quota(None), modes=ALL),
    Scenario("half a CPU", "8 8 8 2 2", _quota(50_000), modes=("v2", "v1")),
    Scenario("the least quota", "8 8 8 2 2", _quota(1_000)),
    Scenario("a bit more than one CPU", "8 8 8 2 2", _quota(100_001)),
    Scenario("exactly two CPUs", "8 8 8 2 2", _quota(200_000)),
    Scenario("a bit more than two CPUs", "8 8 8 3 3", _quota(200_001), modes=ALL),
    Scenario("two and a half CPUs", "8 8 8 3 3", _quota(250_000)),
    Scenario("3.2 CPUs, a period of a second", "8 8 8 4 4", _quota(3_200_000, 1_000_000), modes=("v2", "v1")),
    Scenario("3.333 CPUs, a period of a millisecond", "8 8 8 4 4", _quota(3_333, 1_000)),
    Scenario("as many CPUs as there are", "8 8 8 8 8", _quota(800_000)),
    Scenario("more CPUs than there are", "8 8 8 8 8", _quota(1_200_000), modes=("v2", "v1")),
    Scenario("a parent's quota only", "8 8 8 8 8", _chain(300_000, None), modes=("v2", "v1")),
    Scenario("a parent's tighter quota", "8 8 8 5 5", _chain(300_000, 500_000)),
    Scenario("a parent's wider quota", "8 8 8 3 3", _chain(500_000, 300_000), modes=("v2", "hybrid")),
    Scenario("quotas on four levels", "8 8 8 6 6", _chain(400_000, 200_000, None, 600_000)),
    Scenario("a cpuset", "3 3 3 3 3", _cpus(cpuset="1-3"), modes=ALL),
    Scenario("a cpuset tighter than the quota", "1 1 1 1 1", _cpus(cpuset="2", quota_us=400_000)),
    Scenario("a quota tighter than the cpuset", "6 6 6 3 3", _cpus(cpuset="0-2,5-7", quota_us=300_000), modes=("v2", "v1")),
    Scenario("an affinity", "2 2 2 2 2", _cpus(affinity={0, 5})),
    Scenario("an affinity of one CPU, half a CPU's quota", "1 1 1 1 1", _cpus(affinity={7}, quota_us=50_000)),
    Scenario("an affinity and a quota", "4 4 4 3 3", _cpus(affinity={1, 3, 5, 7}, quota_us=300_000)),
    Scenario("an affinity inside a cpuset", "2 2 2 2 2", _cpus(cpuset="0-3", affinity={2, 3, 4, 5})),
    Scenario("the controller not enabled at the leaf", "8 8 8 8 8", _no_controller, follows="none"),
    Scenario("a quota that kills", "8 8 8 x x", _quota(_HUGE, 1_000), held=True, modes=("v2", "v1")),
    Scenario("a quota that would kill, but for GOMAXPROCS", "4 4 4 4 4", _quota(_HUGE, 1_000), ("GOMAXPROCS=4",), pins=_TAKEN),
    Scenario(
        "a quota that would kill, but for GODEBUG", "8 8 8 8 8", _quota(_HUGE, 1_000), ("GODEBUG=containermaxprocs=0",), follows="none"
    ),
)

_ENVIRONMENT = (
    *_strings("GOMAXPROCS", ("5", "5 5 5 5 5", _TAKEN), ("04", "4 4 4 4 4", _TAKEN), ("16", "16 16 16 16 16", _TAKEN)),
    *_strings(
        "GOMAXPROCS", *((text, "8 8 8 3 3") for text in ("", "0", "-3", "-", " 5", "5 ", "5.0", "0x5", "1_0", "2147483648", "\u0665"))
    ),
    *_strings("GOMAXPROCS", ("+5", "8 8 5 3 5", "n n y n y")),
    Scenario("GOMAXPROCS twice", "3 3 3 3 3", _quota(500_000), ("GOMAXPROCS=3", "GOMAXPROCS=6"), pins=_TAKEN),
    Scenario("GOMAXPROCS twice, first empty", "8 8 8 5 5", _quota(500_000), ("GOMAXPROCS=", "GOMAXPROCS=6")),
    Scenario("GOMAXPROCS in other letters", "8 8 8 5 5", _quota(500_000), ("gomaxprocs=3", "GOMAXPROCSX=6")),
    *_strings("GODEBUG", *((f"containermaxprocs={text}", "8 3 3 3 3") for text in ("1", "2", "0,containermaxprocs=1"))),
    *_strings("GODEBUG", *((text, "8 8 8 3 3") for text in (" containermaxprocs=0", "containermaxprocs=0 ", "containermaxprocs=x"))),
    *_strings("GODEBUG", ("updatemaxprocs=0", "8 8 8 3 3"), ("gctrace=0,,=,cgocheck=0", "8 8 8 3 3")),
    *(
        Scenario(f"GODEBUG={text!r}", starts, _quota(300_000), (f"GODEBUG={text}",), follows="any")
        for text, starts in (
            ("containermaxprocs=0", "8 8 8 8 8"),
            ("containermaxprocs=-1", "8 8 8 8 8"),
            ("containermaxprocs=1,containermaxprocs=0,containermaxprocs=", "8 8 8 8 8"),
            ("containermaxprocs=+0", "8 8 8 3 8"),
            ("containermaxprocs=-", "8 8 8 8 3"),
        )
    ),
    Scenario("GODEBUG twice", "8 8 8 8 8", _quota(300_000), ("GODEBUG=containermaxprocs=0", "GODEBUG=containermaxprocs=1"), follows="none"),
    Scenario("a GODEBUG setting that 1.27 removed", "8 8 8 3 3", _quota(300_000), ("GODEBUG=x509sha1=1",), held=True, dies_in_newest=True),
    Scenario("the same, and it is switched back", "8 8 8 3 3", _quota(300_000), ("GODEBUG=x509sha1=0",)),
    *(
        Scenario(f"{' '.join(environment)}", "8 8 8 3 3", _quota(300_000), environment)
        for environment in (
            ("GOMEMLIMIT=512MiB", "GOGC=50"),
            ("GOMEMLIMIT=off", "GOGC=off"),
            ("GOMEMLIMIT=", "GOGC="),
            ("GOMEMLIMIT=0", "GOGC=400"),
            ("GOMEMLIMIT=1073741824", "GOGC=050"),
            ("GOMEMLIMIT=8388607TiB", "GOGC=+50"),
            ("GOMEMLIMIT=0064MiB", "GOGC=-"),
            ("GOMEMLIMIT=-0", "GOGC=-7"),
            ("GOMEMLIMIT=9223372036854775807B", "GOGC=abc"),
            ("GOMEMLIMIT=1TiB", "GOGC=OFF"),
            ("GOMEMLIMIT=33KiB", "GOGC=2147483648"),
            ("GOGC=0",),
            ("GOGC=50 ",),
        )
    ),
    *(
        Scenario(f"GOMEMLIMIT={text!r}, of which programs die", starts, _quota(300_000), (f"GOMEMLIMIT={text}",), held=True)
        for text, starts in (
            ("512Mi", "x x x x x"),
            ("1G", "x x x x x"),
            ("1.5GiB", "x x x x x"),
            ("OFF", "x x x x x"),
            (" 1GiB", "x x x x x"),
            ("8388608TiB", "x x x x x"),
            ("+1GiB", "x x 8 x 3"),
            ("-KiB", "8 8 x 3 x"),
        )
    ),
)

_PLACES = (
    Scenario("a fresh cgroup namespace and mount", "8 8 8 3 3", _three(_new_cgroups, _mount_afresh), modes=ALL),
    Scenario("a cgroup namespace under the outer mount", "8 8 8 8 8", _three(_new_cgroups), follows="none"),
    # v1's root group has limit files too: 1.25 takes those for its own
    Scenario("a cgroup namespace under the outer mounts", "8 8 8 8 8", _three(_new_cgroups), modes=V1, follows="other none"),
    Scenario("the same, and a fresh mount elsewhere", "8 8 8 3 3", _three(_new_cgroups, _mount_elsewhere)),
    Scenario("the group's own subtree mounted", "8 8 8 8 3", _three(_new_mounts, _replace_mount), modes=ALL, follows="any"),
    Scenario("the parent's subtree mounted", "8 8 8 8 3", _three(_new_mounts, _replace_by_parent), modes=("v2", "v1"), follows="any"),
    Scenario("a second mount of a subtree, behind", "8 8 8 8 3", _three(_new_mounts, _bind_elsewhere), follows="any"),
    Scenario("a second mount of the whole, behind", "8 8 8 3 3", _three(_new_mounts, _mount_elsewhere)),
    Scenario(
        "a kept namespace before the cgroup mount", "8 8 8 3 8", _three(_new_mounts, _bind_namespace, _mount_last), modes=ALL, follows="any"
    ),
    Scenario("a kept namespace behind the cgroup mount", "8 8 8 3 3", _three(_new_mounts, _bind_namespace)),
    Scenario("below another root", "8 8 8 3 3", _three(_new_mounts, _chroot), modes=("v2", "v1")),
    Scenario("no cgroup mount", "8 8 8 8 8", _three(_new_mounts, _unmount), modes=("v2", "v1"), follows="none"),
    Scenario("a mount below a strange path", "8 8 8 3 3", _three(_new_mounts, _move_mount), modes=("v2", "v1")),
    Scenario("beside the namespace's root, fresh mount", "8 8 8 8 8", _sibling(_new_cgroups, _mount_afresh), follows="none"),
    Scenario(
        "beside the namespace's root, the parent's subtree mounted",
        "8 8 8 8 3",
        _sibling(_new_mounts, _replace_by_parent, _new_cgroups),
        follows="any",
    ),
)

_CHANGES = (
    Scenario("a quota raised", "8 8 8 3 3", _quota(300_000), change=_requota(500_000), now="8 8 8 5 5", modes=("v2", "v1")),
    Scenario("a quota lowered", "8 8 8 5 5", _quota(500_000), change=_requota(50_000), now="8 8 8 2 2"),
    Scenario("a quota taken away", "8 8 8 3 3", _quota(300_000), change=_requota(None), now="8 8 8 8 8"),
    Scenario("a quota set for the first time", "8 8 8 8 8", _quota(None), change=_requota(300_000), now="8 8 8 3 3"),
    Scenario(
        "a quota raised under a fixed GOMAXPROCS",
        "4 4 4 4 4", _quota(300_000), ("GOMAXPROCS=4",), change=_requota(500_000), now="4 4 4 4 4", pins=_TAKEN,
    ),
    Scenario(
        "a quota raised, updates switched off",
        "8 8 8 3 3", _quota(300_000), ("GODEBUG=updatemaxprocs=0",), change=_requota(500_000), now="8 8 8 3 3", derived_like="fresh",
    ),
    Scenario(
        "a quota raised, awareness switched on without updates",
        "8 3 3 3 3", _quota(300_000), ("GODEBUG=containermaxprocs=1,updatemaxprocs=0",), change=_requota(500_000),
        now="8 3 3 3 3", derived_like="fresh",
    ),
    Scenario(
        "a cpuset narrowed", "8 8 8 8 8", _quota(None), change=_recpus("2-5"), now="8 8 8 4 4", derived_like="fresh", modes=("v2", "v1"),
    ),
    Scenario(
        "a cpuset narrowed, updates switched on everywhere",
        "8 8 8 8 8", _quota(None), ("GODEBUG=containermaxprocs=0,updatemaxprocs=1",), change=_recpus("2-5"), now="8 4 4 4 4",
        derived_like="fresh", follows="none",
    ),
    Scenario("a cpuset widened", "3 3 3 3 3", _cpus(cpuset="1-3"), change=_recpus("0-7"), now="3 3 3 8 8", derived_like="fresh"),
    Scenario(
        "an affinity narrowed", "8 8 8 6 6", _quota(600_000), ("GODEBUG=updatemaxprocs=1",), change=_narrow_affinity, now="8 4 4 4 4",
        derived_like="fresh",
    ),
    Scenario("moved to a wider group", "8 8 8 3 3", _quota(300_000), change=_migrate(500_000), now="8 8 8 3 3", follows="other", modes=ALL),
    Scenario("the controller enabled after the start", "8 8 8 8 8", _no_controller, change=_enable_controller, follows="none"),
    Scenario("moved to a limited group", "8 8 8 8 8", _quota(None), change=_migrate(300_000), now="8 8 8 8 8", follows="other"),
    Scenario(
        "moved, and the old group's quota raised",
        "8 8 8 3 3", _quota(300_000), change=_migrate(600_000, lambda scene: scene.groups.make("app").limit_cpu(400_000)),
        now="8 8 8 4 4", follows="other", modes=("v2", "v1"),
    ),
    Scenario(
        "moved, and the old group removed",
        "8 8 8 3 3", _quota(300_000), change=_migrate(500_000, _remove_first), now="8 8 8 8 8", follows="gone", modes=("v2", "v1"),
    ),
    Scenario(
        "moved, and the old group removed and made again",
        "8 8 8 3 3", _quota(300_000), change=_migrate(500_000, _remake_first), now="8 8 8 8 8", follows="gone", modes=("v2", "v1"),
    ),
    Scenario(
        "runtime.GOMAXPROCS called",
        "8 8 8 3 3", _quota(300_000), commands=("report", "gomaxprocs 6"), now="6 6 6 6 6", derived_like="start", pins=_TAKEN,
        modes=("v2", "v1"),
    ),
    Scenario(
        "runtime.GOMAXPROCS called with the value it has, and the quota raised",
        "2 2 2 2 2", _cpus(cpuset="0-1", quota_us=300_000), commands=("report", "gomaxprocs 2"), change=_recpus("0-7"), now="2 2 2 2 2",
        derived_like="fresh", pins=_TAKEN,
    ),
    Scenario(
        "SetDefaultGOMAXPROCS called, which forgets the variable",
        "5 5 5 5 5", _quota(300_000), ("GOMAXPROCS=5",), ("report", "default"), now="5 8 8 3 3", derived_like="start",
    ),
    Scenario(
        "SetMemoryLimit and SetGCPercent called",
        "8 8 8 3 3", _quota(300_000), commands=("report", "memlimit 123456789", "gogc 55"), derived_like="start", modes=("v2", "v1"),
    ),
    Scenario(
        "both limits lifted by calls",
        "8 8 8 3 3", _quota(300_000), ("GOMEMLIMIT=1GiB", "GOGC=20"), ("report", "memlimit 9223372036854775807", "gogc -1"),
        derived_like="start",
    ),
    Scenario(
        "a memory limit of nothing, and GC all the time, by calls",
        "8 8 8 3 3", _quota(300_000), ("GOMEMLIMIT=off",), ("report", "memlimit 0", "gogc 0"), derived_like="start",
    ),
    Scenario(
        "a variable set by the program itself",
        "8 8 8 3 3", _quota(300_000), commands=("report", "setenv GOMAXPROCS=7", "setenv GOGC=33"),
    ),
)  # fmt: skip

# Of each kind in turn: a run that is cut short has seen something of everything.
_KINDS = (_LIMITS, _PLACES, _CHANGES, _ENVIRONMENT)
SCENARIOS = tuple(sorted(chain(*_KINDS), key=lambda row: next(kind.index(row) / len(kind) for kind in _KINDS if row in kind)))

#: What scripts/go-matrix alone runs, beside most of the variables: rows that differ from another one in a number only.
_FULL_ONLY = (
    "the least quota", "exactly two CPUs", "two and a half CPUs", "3.333 CPUs, a period of a millisecond", "as many CPUs as there are",
    "quotas on four levels", "a cpuset tighter than the quota", "an affinity of one CPU, half a CPU's quota", "an affinity inside a cpuset",
    "a quota that would kill, but for GODEBUG", "a second mount of the whole, behind", "a kept namespace behind the cgroup mount",
    "a quota lowered", "a quota set for the first time", "a quota raised, awareness switched on without updates", "a cpuset widened",
    "the controller enabled after the start",
    "moved to a limited group", "both limits lifted by calls", "a memory limit of nothing, and GC all the time, by calls",
)  # fmt: skip

#: What scripts/test --kernel runs. Variables decide the same without a kernel of their own, where real programs are started with 66
#: environments (tests/runtimes/go/derived/test_derive_real.py): a tenth of theirs is enough here.
QUICK_SCENARIOS = tuple(
    row for row in SCENARIOS if row.name not in _FULL_ONLY and (row not in _ENVIRONMENT or _ENVIRONMENT.index(row) % 10 == 0)
)
