"""What a process itself reads of its cgroups, where its namespace is another one, or where there are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cgtune.runtimes.go.derived.derive import derive
from cgtune.runtimes.go.derived.inputs import GoInputs
from cgtune.runtimes.go.derived.ownview import OwnTexts
from cgtune.runtimes.go.observed.live import LiveWords
from cgtune.runtimes.go.program.version import parse_version
from cgtune.runtimes.go.programs import Known
from cgtune.runtimes.go.reader import GoReading, _unrecorded_switches
from cgtune.system.host import Host
from tests.support.elfs import framed, go_program, inline_record

CGROUP, MOUNTINFO = "0::/pod/app\n", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
OTHERS = OwnTexts(cgroup="0::/\n", mountinfo=MOUNTINFO.replace(" / ", " /../.. "), assumed=("/pod/app",))


@pytest.mark.parametrize(
    ("links", "texts", "noted"),
    [
        pytest.param({"42": "cgroup:[1]", "7": "cgroup:[1]"}, OwnTexts(cgroup=CGROUP, mountinfo=MOUNTINFO), 0, id="the same"),
        pytest.param({"42": "cgroup:[2]", "7": "cgroup:[1]"}, OTHERS, 0, id="another"),
        pytest.param({}, OwnTexts(cgroup=CGROUP, mountinfo=MOUNTINFO), 0, id="a kernel without any"),
        pytest.param({"42": "cgroup:[2]"}, OwnTexts(cgroup=CGROUP, mountinfo=MOUNTINFO), 1, id="our own cannot be told"),
    ],
)
def test_the_texts_of_its_own_namespace(tmp_path: Path, links: dict[str, str], texts: OwnTexts, noted: int) -> None:
    """Rebased where the namespaces differ; a note only where there are namespaces and which is whose cannot be told."""
    for pid in ("42", "7"):
        (tmp_path / f"proc/{pid}/ns").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/cgroup").write_text(CGROUP)
        (tmp_path / f"proc/{pid}/mountinfo").write_text(MOUNTINFO)
        if pid in links:
            (tmp_path / f"proc/{pid}/ns/cgroup").symlink_to(links[pid])
    (tmp_path / "proc/self").symlink_to("7")
    with Host(str(tmp_path)) as host:
        reading = GoReading(host, 42, executable=None, affinity_count=8)
        assert reading.read_own_texts() == texts
    assert len(reading.notes) == noted


@pytest.mark.parametrize(
    ("version", "environment", "live", "unrecorded"),
    [
        ("go1.27.3", "", (3, True, True), ()),
        ("go1.27.3", "", (3, False, True), ("containermaxprocs=0",)),
        ("go1.27.3", "", (3, False, False), ("containermaxprocs=0", "updatemaxprocs=0")),
        ("go1.27.3", "", (3, None, None), ()),
        ("go1.27.3", "", (None, False, False), ()),  # perhaps not started
        ("go1.27.3", "containermaxprocs=1", (3, False, True), ()),  # what the environment says is not the build's
        ("go1.24.1", "", (3, False, False), ()),
    ],
)
def test_switches_that_the_build_info_does_not_tell(
    version: str, environment: str, live: tuple[int | None, bool | None, bool | None], unrecorded: tuple[str, ...]
) -> None:
    """Memory is believed before the build info; never before there is something in it, and never for another one's fault."""
    derivation = derive(GoInputs(version=parse_version(version), environ=(("GODEBUG", environment),), affinity_count=8))
    words = LiveWords(gomaxprocs=live[0], container_setting=live[1], updates=live[2])
    assert _unrecorded_switches(derivation, words) == unrecorded


def test_a_program_that_was_replaced_in_place_is_read_again(tmp_path: Path) -> None:
    """The text of the mappings names an inode, which another file may have got since: its size and times tell that it is another."""
    folder = tmp_path / "proc/42"
    folder.mkdir(parents=True)
    (folder / "maps").write_text("00400000-00401000 r-xp 00001000 08:01 99                                 /app/server\n")
    known, versions = Known(), []
    for seconds, version in enumerate(("go1.24.1", "go1.27.3")):
        (folder / "exe").write_bytes(go_program(inline_record(version, framed("path\tx\n"))))
        os.utime(folder / "exe", (seconds, seconds))  # the clock of a filesystem may stand still for some milliseconds
        for _look in range(2):
            with Host(str(tmp_path)) as host:
                facts = GoReading(host, 42, executable="/app/server", affinity_count=8).read(known)
            versions.append([runtime.program.version for runtime in facts])
    assert versions == [["1.24.1"], ["1.24.1"], ["1.27.3"], ["1.27.3"]]
