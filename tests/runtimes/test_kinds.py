"""What a process runs that is no Go program is told by names."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from cgtune import api
from cgtune.outputs.json import render_json
from cgtune.runtimes.kinds import is_emulator, tell_kind, tells_kind
from tests.support.command import run
from tests.support.needs import require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Kind


@pytest.mark.parametrize(
    ("executable", "libraries", "kind"),
    [
        ("/usr/lib/jvm/java-17-openjdk-amd64/bin/java", (), "jvm"),
        ("/opt/app/bin/launcher", ("/opt/app/lib/runtime/lib/server/libjvm.so",), "jvm"),
        ("/usr/share/dotnet/dotnet", (), "dotnet"),
        ("/app/Orders", ("/usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.1/libcoreclr.so",), "dotnet"),
        ("/usr/bin/node", (), "node"),
        ("/usr/bin/something", ("/usr/lib/x86_64-linux-gnu/libnode.so.108",), "node"),
        ("/usr/bin/python3.11", (), "python"),
        ("/usr/local/bin/python3.13 (deleted)", (), "python"),
        ("/usr/bin/ruby3.1", (), "ruby"),
        ("/usr/sbin/php-fpm8.2", (), "php"),
        ("/usr/bin/perl", (), "perl"),
        ("/usr/lib/erlang/erts-13.1.5/bin/beam.smp", (), "erlang"),
        ("/usr/bin/qemu-aarch64-static", (), "emulated"),
        ("/usr/bin/vim.nox", ("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0",), "other"),
        ("/usr/sbin/nginx", (), "other"),
        ("/javascript", (), "other"),
    ],
)
def test_the_kind_is_told_by_names(executable: str, libraries: tuple[str, ...], kind: Kind) -> None:
    """By the executable's name without its version, or by a library that makes the whole process a program of that kind."""
    assert tell_kind(executable, libraries) == kind


@pytest.mark.parametrize(
    ("executable", "is_one"),
    [
        ("/usr/bin/qemu-aarch64-static", True),
        ("/usr/libexec/qemu-binfmt/qemu-arm (deleted)", True),
        ("/usr/bin/qemu-system-x86_64", False),
        ("/usr/bin/qemu-img", False),
        ("/usr/bin/box64", True),
        ("/usr/bin/FEXInterpreter", True),
        ("/run/rosetta/rosetta", True),
        ("/usr/bin/rosetta-stone", False),
    ],
)
def test_emulators_of_programs_are_told_from_machines(executable: str, is_one: bool) -> None:
    """qemu-user and its like run one program in its stead; a whole virtual machine does not."""
    assert is_emulator(executable) == is_one


def test_the_report_tells_what_is_no_go_program() -> None:
    """A C program is said to be none, in the table and in JSON, and it is no note."""
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            table, text = run("inspect", "--pid", process.pid).stdout, run("inspect", "--pid", process.pid, "--format", "json").stdout
        finally:
            process.kill()
    assert "  runtime    no Go program\n" in table
    assert json.loads(text)["processes"][0]["kind"] == "other"


def test_ps_counts_the_others() -> None:
    """ps says how many processes hold no Go runtime, and of which kinds."""
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            done = run("ps")
        finally:
            process.kill()
    (line,) = (line for line in done.stdout.splitlines() if "no Go program" in line)
    assert "Python" in line
    assert line.endswith("other")


def test_a_recording_keeps_the_kind(tmp_path: Path) -> None:
    """A program that a library tells is told by it in the replay too."""
    require(shutil.which("gcc"), "gcc: apt-get install gcc")
    (tmp_path / "empty.c").write_text("int nothing;\n")
    library = tmp_path / "libjvm.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "empty.c"], check=True)
    assert tells_kind(str(library))
    with subprocess.Popen(["sleep", "60"], env={"LD_PRELOAD": str(library)}) as process:
        try:
            while "libjvm" not in Path(f"/proc/{process.pid}/maps").read_text():
                pass
            report = render_json(api.inspect([process.pid]))
            api.snapshot(str(tmp_path / "out"), [process.pid])
        finally:
            process.kill()
    assert json.loads(report)["processes"][0]["kind"] == "jvm"
    assert json.loads(render_json(api.inspect(root=str(tmp_path / "out"))))["processes"][0]["kind"] == "jvm"
