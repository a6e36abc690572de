"""Which limit file a runtime follows: by its own descriptors, and what is said where they do not tell."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cgtune.errors import NoSuchProcess
from cgtune.model import LimitFile
from cgtune.runtimes.go.derived.limitfile import LimitSeen
from cgtune.runtimes.go.derived.ownview import OwnTexts
from cgtune.runtimes.go.held import HeldReader
from cgtune.runtimes.go.observed.live import LiveWords
from cgtune.system.host import Host
from tests.support.refusing import Refusing

CGROUPS = "/sys/fs/cgroup"
V2 = OwnTexts(cgroup="0::/pod/app\n", mountinfo=f"30 20 0:26 / {CGROUPS} rw - cgroup2 cgroup2 rw\n")
V1 = OwnTexts(cgroup="4:cpu,cpuacct:/app\n0::/\n", mountinfo=f"30 20 0:26 / {CGROUPS}/cpu rw - cgroup cgroup rw,cpu,cpuacct\n")
AWARE = {"gomaxprocs": 3, "container_aware": True, "container_setting": True}


def _process(root: Path, links: dict[int, str], files: dict[str, str], *, inodes: dict[int, int] | None = None) -> Path:
    """A process 42 with these descriptors and these files below its root."""
    (root / "proc/42/fd").mkdir(parents=True)
    (root / "proc/42/fdinfo").mkdir()
    for number, target in links.items():
        (root / f"proc/42/fd/{number}").symlink_to(target)
    for number, inode in (inodes or {}).items():
        (root / f"proc/42/fdinfo/{number}").write_text(f"pos:\t0\nflags:\t02100000\nmnt_id:\t32\nino:\t{inode}\n")
    for path, content in files.items():
        place = root / f"proc/42/root{path}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    return root


def _read(root: Path, texts: OwnTexts, minor: int | None = 27, **words: object) -> tuple[LimitSeen | None, LimitFile | None, list[str]]:
    with Host(str(root)) as host:
        reader = HeldReader(host, 42, texts, minor)
        limit, follows = reader.read(LiveWords(**{**AWARE, **words}))  # type: ignore[arg-type]  # each has the type of its field
        return limit, follows, [note.why for note in reader.notes]


OWN, OTHER = f"{CGROUPS}/pod/app/cpu.max", f"{CGROUPS}/pod/other/cpu.max"
BOTH = {OWN: "300000 100000\n", OTHER: "500000 100000\n"}


def test_its_own_descriptor_tells(tmp_path: Path) -> None:
    """The file of the runtime's descriptor is the one, whatever stands at lower numbers."""
    _process(tmp_path, {3: OTHER, 4: OWN, 5: OTHER}, BOTH)
    limit, follows, notes = _read(tmp_path, V2, limit_fds=(4,))
    assert (limit and limit.quota_us, follows, notes) == (300_000, LimitFile(path=OWN, own=True, exists=True), [])


def test_a_process_that_was_moved(tmp_path: Path) -> None:
    """A descriptor that leads to another group's file: the quota is that one's, and a note says so."""
    _process(tmp_path, {4: OTHER}, BOTH)
    limit, follows, notes = _read(tmp_path, V2, limit_fds=(4,))
    assert (limit and limit.quota_us, follows) == (500_000, LimitFile(path=OTHER, own=False, exists=True))
    assert notes == [f"the runtime holds {OTHER} open, which is not its cgroup's limit file now"]


@pytest.mark.parametrize(
    ("cgroup", "hidden", "own"),
    [("/app", 1, True), ("/", 2, True), ("/other", 1, False), ("/", 1, False), ("/a/pod/app", 0, False), ("/pod/app", 3, False)],
)
def test_names_that_the_reader_cannot_see_are_no_move(tmp_path: Path, cgroup: str, hidden: int, own: bool) -> None:
    """Where our cgroup namespace hides the names of its parents, what is left of its path is compared."""
    _process(tmp_path, {4: OWN}, BOTH)
    limit, follows, notes = _read(tmp_path, V2.replace(cgroup=f"0::{cgroup}\n", hidden=hidden), limit_fds=(4,))
    assert (limit and limit.quota_us, follows) == (300_000, LimitFile(path=OWN, own=own, exists=True))
    assert bool(notes) is not own


@pytest.mark.parametrize("suffix", ["", " (deleted)"])
def test_a_group_that_is_gone(tmp_path: Path, suffix: str) -> None:
    """A file that is open and no longer there gives no quota."""
    _process(tmp_path, {4: OTHER + suffix}, {OWN: "300000 100000\n"})
    limit, follows, notes = _read(tmp_path, V2, limit_fds=(4,))
    assert follows == LimitFile(path=OTHER, own=False, exists=False)
    assert limit is not None
    assert (limit.quota_us, limit.why) == (None, f"the {OTHER} that the runtime opened was removed, and it reads no other")
    assert notes == [f"the runtime holds {OTHER} open, whose cgroup was removed"]


@pytest.mark.parametrize("held", [OWN, OTHER])
def test_a_group_that_was_removed_and_made_again(tmp_path: Path, held: str) -> None:
    """The path holds another file than the open one: that one's quota says nothing, even where the process is in the new group."""
    _process(tmp_path, {4: held}, BOTH, inodes={4: 1})
    for numbers in ((4,), None):
        limit, follows, _ = _read(tmp_path, V2, limit_fds=numbers)
        assert follows == LimitFile(path=held, own=False, exists=False)
        assert limit is not None
        assert (limit.quota_us, limit.files) == (None, ())


def test_the_inode_of_the_open_file_itself(tmp_path: Path) -> None:
    """The file that is open and the one at its path are the same: it is followed."""
    _process(tmp_path, {4: OWN}, BOTH)
    inode = (tmp_path / f"proc/42/root{OWN}").stat().st_ino
    (tmp_path / "proc/42/fdinfo/4").write_text(f"ino:\t{inode}\n")
    limit, follows, notes = _read(tmp_path, V2, limit_fds=(4,))
    assert (limit and limit.quota_us, follows, notes) == (300_000, LimitFile(path=OWN, own=True, exists=True), [])


@pytest.mark.parametrize("links", [{}, {4: "/tmp/data"}, {3: OWN}])
def test_a_descriptor_that_was_closed(tmp_path: Path, links: dict[int, str]) -> None:
    """Closed, or another file's by now: the runtime reads no quota, and no other limit file that is open is taken for it."""
    limit, follows, _ = _read(_process(tmp_path, links, BOTH), V2, limit_fds=(4,))
    assert limit is not None
    assert (limit.quota_us, follows) == (None, None)
    assert limit.why == "what it opened as its limit file, descriptor 4, is none any more"


def test_two_files_of_cgroup_v1(tmp_path: Path) -> None:
    """Quota and period by their own descriptors, in that order."""
    names = [f"{CGROUPS}/cpu/{group}/cpu.cfs_{what}_us" for group in ("other", "app") for what in ("quota", "period")]
    contents = dict(zip(names, ("500000\n", "100000\n", "250000\n", "100000\n"), strict=True))
    _process(tmp_path, {3: names[0], 4: names[1], 6: names[3], 7: names[2]}, contents)
    limit, follows, notes = _read(tmp_path, V1, limit_fds=(7, 6))
    assert (limit and (limit.quota_us, limit.period_us), notes) == ((250_000, 100_000), [])
    assert follows == LimitFile(path=names[2], own=True, exists=True)


def test_without_the_descriptors_the_lowest_is_taken(tmp_path: Path) -> None:
    """A guess, and where several files could be the one a note says that it is a guess."""
    _process(tmp_path / "one", {7: OWN, 8: "/dev/null"}, BOTH)
    assert _read(tmp_path / "one", V2)[1:] == (LimitFile(path=OWN, own=True, exists=True), [])
    _process(tmp_path / "two", {7: OTHER, 8: OWN}, BOTH)
    _process(tmp_path / "high", {64: OWN}, BOTH)
    assert _read(tmp_path / "high", V2) == (None, None, [])
    _, follows, notes = _read(tmp_path / "two", V2)
    assert follows == LimitFile(path=OTHER, own=False, exists=True)
    assert notes[0] == f"2 limit files are open, and which of them the runtime follows could not be read: taken to be {OTHER}"


QUOTA, PERIOD = (f"{CGROUPS}/cpu/app/cpu.cfs_{what}_us" for what in ("quota", "period"))


@pytest.mark.parametrize(
    ("links", "found"),
    [
        ({3: QUOTA}, None),
        ({3: PERIOD}, None),
        ({3: PERIOD, 4: QUOTA, 5: PERIOD}, (250_000, 100_000)),
        ({3: QUOTA.replace("/app/", "/other/"), 4: QUOTA, 5: PERIOD}, (250_000, 100_000)),
        ({3: QUOTA, 4: QUOTA, 5: PERIOD}, (250_000, 100_000)),
    ],
    ids=["no period (yet)", "no quota", "a period before", "another group's quota before", "the quota twice"],
)
def test_a_quota_and_its_period_stand_together(tmp_path: Path, links: dict[int, str], found: tuple[int, int] | None) -> None:
    """Without the descriptors: a program that starts has opened one of the two; and some hold files of their own."""
    contents = {QUOTA: "250000\n", PERIOD: "100000\n", QUOTA.replace("/app/", "/other/"): "500000\n"}
    limit, follows, _ = _read(_process(tmp_path, links, contents), V1, limit_fds=None)
    assert (limit and (limit.quota_us, limit.period_us)) == found
    assert follows == (None if found is None else LimitFile(path=QUOTA, own=True, exists=True))


@pytest.mark.parametrize("links", [{4: QUOTA}, {4: PERIOD}])
def test_a_descriptor_that_leads_to_another_hierarchy(tmp_path: Path, links: dict[int, str]) -> None:
    """What was opened as cpu.max and is a file of cgroup v1 now is none of the runtime's."""
    limit, follows, _ = _read(_process(tmp_path, links, {QUOTA: "250000\n", PERIOD: "100000\n"}), V1, limit_fds=(4,))
    assert (limit and limit.quota_us, follows) == (None, None)


@pytest.mark.parametrize(
    "words",
    [
        {"container_setting": False},
        {"container_aware": False, "container_setting": None, "limit_fds": ()},
        {"container_aware": False, "gomaxprocs": None, "limit_fds": ()},
        {"minor": None},
    ],
)
def test_no_file_is_taken_for_that_of_a_runtime_that_holds_none(tmp_path: Path, words: dict[str, object]) -> None:
    """Awareness off, no file held, perhaps not started yet, or a version that is not known: what is open says nothing of the runtime."""
    assert _read(_process(tmp_path, {3: OWN}, BOTH), V2, **words) == (None, None, [])  # type: ignore[arg-type]  # minor among them


def test_a_runtime_that_found_none_when_it_started(tmp_path: Path) -> None:
    """It never looks again: a file that is there by now changes nothing, whatever it says; why there is none still, is said."""
    none = LimitSeen(cause="none-at-start", why="the runtime found no limit file when it started, and holds none open")
    for place, files in (("quota", BOTH), ("unlimited", {OWN: "max 100000\n"})):
        assert _read(_process(tmp_path / place, {}, files), V2, container_aware=False, limit_fds=())[:2] == (none, None)
    limit, _, _ = _read(_process(tmp_path / "missing", {}, {}), V2, container_aware=False, limit_fds=())
    assert limit == LimitSeen(cause="not-opened", why=f"{OWN} cannot be opened")


def test_links_after_a_chroot(tmp_path: Path) -> None:
    """Links show what lies before the process's root, its mount table does not: the path is that of the process."""
    _process(tmp_path, {4: f"/srv/jail{OWN}"}, BOTH)
    assert _read(tmp_path, V2, limit_fds=(4,))[1] == LimitFile(path=OWN, own=True, exists=True)


@pytest.mark.parametrize(("second", "own"), [("/pod/app", True), ("/pod/other", False)])
def test_a_mount_over_another(tmp_path: Path, second: str, own: bool) -> None:
    """Whose file lies at a path is decided by the mount that covers the others."""
    texts = V2.replace(mountinfo=V2.mountinfo + f"31 30 0:26 {second} {CGROUPS} rw - cgroup2 cgroup2 rw\n")
    path = f"{CGROUPS}/cpu.max"
    _process(tmp_path, {4: path}, {path: "300000 100000\n"})
    assert _read(tmp_path, texts, limit_fds=(4,))[1] == LimitFile(path=path, own=own, exists=True)


def test_a_damaged_mount_table_is_a_note(tmp_path: Path) -> None:
    """What cannot be parsed costs a note, never the report."""
    texts = V2.replace(mountinfo="nonsense\n")
    limit, follows, notes = _read(_process(tmp_path, {4: OWN}, BOTH), texts, limit_fds=(4,))
    assert (limit, follows, len(notes)) == (None, None, 1)


NONE_AT_START = LiveWords(gomaxprocs=3, container_aware=False, container_setting=True, limit_fds=())


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (LiveWords(gomaxprocs=3, container_aware=True, container_setting=True), "fd"),
        (NONE_AT_START, f"root{OWN}"),
    ],
    ids=["while its descriptors are listed", "while its limit file is read"],
)
def test_a_process_that_ends_meanwhile(tmp_path: Path, words: LiveWords, path: str) -> None:
    """The end of the process is the caller's business, and no note."""
    _process(tmp_path, {4: OWN}, BOTH)
    with Refusing(str(tmp_path), {f"/proc/42/{path}": errno.ESRCH}) as host, pytest.raises(NoSuchProcess):
        HeldReader(host, 42, V2, 27).read(words)


@pytest.mark.parametrize(("minor", "refused"), [(None, {}), (27, {f"/proc/42/root{OWN}": errno.EACCES})])
def test_why_there_is_none_is_left_open_if_it_is_not_known(tmp_path: Path, minor: int | None, refused: dict[str, int]) -> None:
    """A version that is not known, or a file that is refused to us: the runtime found none when it started, and that is all."""
    with Refusing(str(_process(tmp_path, {}, BOTH)), refused) as host:
        limit, follows = HeldReader(host, 42, V2, minor).read(NONE_AT_START)
    assert (limit and limit.cause, follows) == ("none-at-start", None)


def test_an_inode_that_is_refused_is_a_note(tmp_path: Path) -> None:
    """Whether the group was made again cannot be told then: the file at the path is taken for the open one."""
    _process(tmp_path, {4: OWN}, BOTH, inodes={4: 1})
    with Refusing(str(tmp_path), {"/proc/42/fdinfo/4": errno.EACCES}) as host:
        reader = HeldReader(host, 42, V2, 27)
        limit, follows = reader.read(LiveWords(gomaxprocs=3, container_aware=True, container_setting=True, limit_fds=(4,)))
    assert (limit and limit.quota_us, follows) == (300_000, LimitFile(path=OWN, own=True, exists=True))
    assert [(note.path, note.why) for note in reader.notes] == [("/proc/42/fdinfo/4", "permission denied")]


def test_a_file_below_no_mount_is_not_its_own(tmp_path: Path) -> None:
    """The mount that the file was opened through is gone: whose file it is cannot be the process's cgroup's now."""
    _process(tmp_path, {4: OWN}, BOTH)
    elsewhere = V2.replace(mountinfo=V2.mountinfo.replace(CGROUPS, "/elsewhere"))
    limit, follows, _ = _read(tmp_path, elsewhere, limit_fds=(4,))
    assert (limit and limit.quota_us, follows) == (300_000, LimitFile(path=OWN, own=False, exists=True))


def test_dots_in_a_path_lead_up(tmp_path: Path) -> None:
    """Go 1.25 glues mount point and path together, whatever the path begins with: it is opened as the kernel would."""
    _process(tmp_path, {}, {"/sys/fs/app/cpu.max": "300000 100000\n"})
    with Host(str(tmp_path)) as host:
        assert HeldReader(host, 42, V2, 25).read_limit(f"{CGROUPS}/.././app//cpu.max") == b"300000 100000\n"
