"""Recordings: what they keep, what they cut, and where they are written."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from cgtune import api
from cgtune.errors import NoSuchProcess, Unwritable, UsageError
from cgtune.outputs.json import render_json
from cgtune.system.capture import REDACTED, Capture, redact_environ, redact_kernel_words, redact_mountinfo
from cgtune.system.host import Host, open_source
from cgtune.system.source import MARKER
from tests.support import stories
from tests.support.stories import STORIES


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        (b"GOMAXPROCS=3", b"GOMAXPROCS=3"),
        (b"GODEBUG=containermaxprocs=0", b"GODEBUG=containermaxprocs=0"),
        (b"AUTOMEMLIMIT=0.9", b"AUTOMEMLIMIT=0.9"),
        (b"APP_GOMAXPROCS_MAX=3", b"APP_GOMAXPROCS_MAX=3"),
        (b"PASSWORD=GOMAXPROCS=3", b"PASSWORD=" + REDACTED),
        (b"TOKEN=a=b", b"TOKEN=" + REDACTED),
        (b"GOOGLE_API_KEY=secret", b"GOOGLE_API_KEY=" + REDACTED),
        (b"MONGOGCP_PASSWORD=secret", b"MONGOGCP_PASSWORD=" + REDACTED),
        (b"GOPROXY=https://user:secret@proxy", b"GOPROXY=" + REDACTED),
        (b"CGTUNE_METRICS_URL=http://user:secret@localhost", b"CGTUNE_METRICS_URL=" + REDACTED),
        (b"\xff=secret", b"=" + REDACTED),
        (b"title with a secret: c2VjcmV0==", b"=" + REDACTED),
        (b"EMPTY=", b"EMPTY=" + REDACTED),
        (b"no equals sign, a secret", REDACTED),
        (b"", b""),
    ],
)
def test_an_environment_keeps_only_what_says_how_go_was_set_up(entry: bytes, kept: bytes) -> None:
    """Values are cut but those of Go's own variables and names made of them; the names and their order stay."""
    assert redact_environ(b"HOME=/x\0" + entry + b"\0") == b"HOME=" + REDACTED + b"\0" + kept + b"\0"


@given(st.lists(st.binary(min_size=20, max_size=40).filter(lambda value: b"\0" not in value), max_size=5))
def test_no_secret_survives(values: list[bytes]) -> None:
    """Whatever a variable holds, its value is not in what is kept."""
    kept = redact_environ(b"\0".join(b"KEY%d=" % number + value for number, value in enumerate(values)))
    assert [value for value in values if value in kept] == []


def test_a_mount_table_keeps_where_and_what_and_masks_the_rest() -> None:
    """Sources and options of other filesystems may hold passwords, and nobody needs them; lines of cgroups stay as they are."""
    cgroup = b"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    other = b"41 23 0:44 / /mnt/a\\040b rw - fuse curlftpfs#ftp://me:secret@host/ rw,user_id=0 more\n"
    kept = redact_mountinfo(cgroup + other + b"damaged line\n")
    assert kept == cgroup + b"41 23 0:44 / /mnt/a\\040b rw - fuse xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx xxxxxxxxxxxx xxxx\n" + b"damaged line\n"
    assert len(kept) == len(cgroup + other + b"damaged line\n")


@pytest.mark.parametrize("name", ["out", "out.tar.gz", "out.tgz"])
def test_a_recording_replays_to_the_same_report(tmp_path: Path, name: str) -> None:
    """Folder or archive, the replay's report is that of the recording to the byte, twice over: a replay can be recorded again."""
    with subprocess.Popen(["sleep", "60"]) as target:
        try:
            api.snapshot(str(tmp_path / name), [target.pid])
        finally:
            target.kill()
    report = render_json(api.inspect([target.pid], root=str(tmp_path / name)))
    api.snapshot(str(tmp_path / "again"), [target.pid], root=str(tmp_path / name))
    assert render_json(api.inspect([target.pid], root=str(tmp_path / "again"))) == report
    assert json.loads(report)["processes"][0]["enforced"]["cpu"]["usable_cpus"] > 0
    assert {path.name for path in (tmp_path / "again/proc").iterdir() if path.name.isdigit()} >= {str(target.pid)}
    # map_files takes CAP_CHECKPOINT_RESTORE (proc(5)): who is refused there has the refusal recorded, and what was read instead.
    if os.geteuid() == 0:
        maps = (tmp_path / f"again/proc/{target.pid}/maps").read_bytes()
        assert maps == b"", "a program that is not Go's is recorded without its libraries"


def test_another_pid_is_told_which_there_are(tmp_path: Path) -> None:
    """`ps -e` shows this machine: of a recording its own pids are named, of another machine below a root the place where they stand."""
    api.snapshot(str(tmp_path / "out.tar.gz"), [1])
    with pytest.raises(NoSuchProcess, match=r"^no process 4194999; the recording is of 1$"):
        api.inspect([4194999], root=str(tmp_path / "out.tar.gz"))
    shutil.copytree(stories.STORIES / "v2-plain", tmp_path / "host", symlinks=True)
    (tmp_path / "host" / MARKER).unlink()
    with pytest.raises(NoSuchProcess, match=rf"^no process 4194999; `ls {tmp_path}/host/proc` lists those below this root$"):
        api.inspect([4194999], root=str(tmp_path / "host"))


def test_a_recording_never_replaces_anything(tmp_path: Path) -> None:
    """OUT that exists, even as a dangling link, is a usage error, and is left as it is."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link", "."):
        with pytest.raises(UsageError, match="exists already"):
            api.snapshot(str(tmp_path / name), self_only=True)
    assert (tmp_path / "file").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_what_would_be_too_large_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A marker that nobody would read again is told before anything is written, and what to do instead."""
    monkeypatch.setattr("cgtune.system.recording._MOST_BRACKETS", 3)
    with pytest.raises(UsageError, match="would be larger than a recording may be: name single processes with --pid"):
        api.snapshot(str(tmp_path / "out"), [4242], root=str(STORIES / "v2-plain"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out", "out.tar.gz"])
def test_a_missing_folder_is_named_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    """OUT in a folder that does not exist is one clear error."""
    with pytest.raises(Unwritable, match=r"No such file.*nothing was written; name an OUT"):
        api.snapshot(str(tmp_path / "missing" / name), self_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out", "out.tar.gz"])
def test_a_recording_has_the_modes_that_the_umask_leaves(tmp_path: Path, name: str) -> None:
    """Who works with umask 077 shares nothing by recording a process; nothing else is left beside the recording."""
    before = os.umask(0o077)
    try:
        api.snapshot(str(tmp_path / name), self_only=True)
    finally:
        os.umask(before)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).stat().st_mode & 0o077 == 0


_LIBRARY = "7f0000000000-7f0000001000"


@pytest.mark.parametrize("name", ["maps", "exe", f"map_files/{_LIBRARY}"])
@pytest.mark.parametrize("pids", [(), (42,)], ids=["all that can be seen", "by pid"])
def test_what_was_refused_is_refused_in_the_replay(tmp_path: Path, name: str, pids: tuple[int, ...]) -> None:
    """A process that could not be looked into is still one in the recording, whether it was asked for or only passed by."""
    story = tmp_path / "story"
    shutil.copytree(STORIES / "v2-sibling-container", story, symlinks=True)
    (story / "proc/42/maps").write_text(f"{_LIBRARY} r-xp 00000000 0:71 99    /lib/x.so\n")
    marker = story / "cgtune-snapshot.json"
    refused = {f"/proc/42/{name}": errno.EACCES, "/proc/42/root/lib/x.so": errno.EACCES}
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "unreadable": refused}))
    api.snapshot(str(tmp_path / "out"), pids, root=str(story))
    report = render_json(api.inspect(pids, root=str(story)))
    assert "permission denied" in report or "could not be looked into" in report
    assert render_json(api.inspect(pids, root=str(tmp_path / "out"))) == report


@pytest.mark.parametrize("name", stories.names())
def test_each_story_can_be_recorded_again(tmp_path: Path, name: str) -> None:
    """A recording of a recording, or of a tree that was copied or made by hand, replays to the same report as that."""
    pid = stories.pid_of(name)
    api.snapshot(str(tmp_path / "out"), [pid], root=str(STORIES / name))
    assert api.inspect([pid], root=str(tmp_path / "out")) == stories.report(name)


#: The number that a text counts up: of stat the CPU time of the machine, or of a process; of other counters each one.
_TICKS = re.compile(rb"(\Acpu +|\) (?:\S+ ){11})(\d+)")
_COUNTS = re.compile(rb"(?m)(total=|^[a-z_0-9]+ |^)(\d+)")
_COUNTERS = re.compile(
    r"uptime|schedstat|cpu\.stat|cpuacct\.usage|(cpu|memory)(\.pressure)?|"
    r"memory\.(current|peak|usage_in_bytes|max_usage_in_bytes|stat|events|events\.local)"
)


class _Growing(Capture):
    """A story whose machine goes on running: each reading of a counter says more than the one before, and the time goes on."""

    def __init__(self, name: str, steps: Sequence[int]) -> None:
        super().__init__(open_source(str(STORIES / name)))
        self._steps, self._total = itertools.cycle(steps), 0

    def time_seconds(self) -> float:
        self._total += next(self._steps)
        return super().time_seconds() + self._total / 1000

    def read_whole(self, path: str, cap_bytes: int) -> bytes:
        content = super().read_whole(path, cap_bytes)
        name = path.rpartition("/")[2]
        if name != "stat" and not _COUNTERS.fullmatch(name):
            return content
        self._total += next(self._steps)
        counted = _TICKS if name == "stat" else _COUNTS
        return counted.sub(lambda found: found[1] + b"%d" % (int(found[2]) + self._total), content)


def _record_growing(name: str, steps: Sequence[int], out: Path) -> tuple[str, str]:
    """Returns (the report that a recording was made with, that of its replay)."""
    pid, capture = stories.pid_of(name), Capture(_Growing(name, steps))
    with Host(source=capture) as host:
        recorded = render_json(api.judge(api.inspect_host(host, [pid])))
        capture.replace_recording(str(out))
    return recorded, render_json(api.inspect([pid], root=str(out)))


@pytest.mark.parametrize("name", stories.names())
def test_a_machine_that_runs_on_replays_to_the_same_report(tmp_path: Path, name: str) -> None:
    """What is read twice is of two moments, and a recording keeps one: no number of the report hangs on the first."""
    recorded, replayed = _record_growing(name, (1,), tmp_path / "out")
    assert replayed == recorded


@settings(max_examples=40)
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=8))
def test_at_any_pace(steps: list[int]) -> None:
    """The same for any steps of the counters and of the clock."""
    with tempfile.TemporaryDirectory() as folder:
        recorded, replayed = _record_growing("v2-bench-swapped-out", steps, Path(folder, "out"))
    assert replayed == recorded


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        (b"SLURM_CPUS_PER_TASK=4", b"SLURM_CPUS_PER_TASK=4"),
        (
            b"ECS_CONTAINER_METADATA_URI_V4=http://me:secret@169.254.170.2/v4/a?x",
            b"ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/a",
        ),
        (b"NOMAD_TOKEN=secret", b"NOMAD_TOKEN=" + REDACTED),
        (b"AWS_SECRET_ACCESS_KEY=secret", b"AWS_SECRET_ACCESS_KEY=" + REDACTED),
        (b"K_SERVICE=orders", b"K_SERVICE=" + REDACTED),
    ],
)
def test_what_says_a_limit_is_kept(entry: bytes, kept: bytes) -> None:
    """Numbers and the address of a task, without what may be secret in it; no other value of a platform."""
    assert redact_environ(entry + b"\0") == kept + b"\0"


def test_of_a_kernels_command_line_the_words_of_platforms_are_kept() -> None:
    """Installers take passwords there."""
    line = b"BOOT_IMAGE=/vmlinuz-4.4.0-gvisor root=/dev/vda1 rootpw=secret reboot=k panic=1\n"
    assert redact_kernel_words(line) == b"BOOT_IMAGE=/vmlinuz-4.4.0-gvisor reboot=k panic=1\n"
