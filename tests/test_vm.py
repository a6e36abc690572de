"""scripts/vm's own parts, without starting a guest; tests/test_vm_boots.py starts some."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import itertools
import lzma
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, strategies as st

from tests.support.command import ROOT
from tests.support.needs import require


def _load() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("cgtune_vm_script", str(ROOT / "scripts" / "vm"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


vm = _load()


def _run(*arguments: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "vm"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=30, check=False, env=os.environ | environ)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no command"),
        (["--cpus", "0", "--", "true"], "--cpus 0"),
        (["--cpus", "many", "--", "true"], "--cpus"),
        (["--cgroup", "v3", "--", "true"], "v3"),
        (["--kernel", "11", "--", "true"], "--kernel"),
        (["--memory", "3", "--", "true"], "--memory"),
        (["--memory", "16M", "--", "true"], "256M"),
        (["--timeout", "0", "--", "true"], "--timeout"),
        (["--env", "1=2", "--", "true"], "--env"),
        (["--results", "/proc/none", "--", "true"], "/proc/none"),
        (["true"], "true"),
        (["--cpu", "4", "--", "true"], "--cpu"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_option_is_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    """Wrong usage ends with exit status 2 and one line that names the offence, before anything is prepared."""
    done = _run(*arguments, CGTUNE_CACHE=str(tmp_path / "cache"))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not (tmp_path / "cache").exists()


def test_help_teaches() -> None:
    """--help shows each option, the hierarchies and the exit statuses, on standard output."""
    done = _run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in (
        "--cpus",
        "--cgroup",
        "--kernel",
        "trixie",
        "--memory",
        "--timeout",
        "--results",
        "--env",
        "hybrid",
        "124",
        "125",
        "examples:",
    ):
        assert word in done.stdout


def test_a_folder_that_the_guest_does_not_have() -> None:
    """In /proc, /sys, /dev or /run no command can be run, and that is said at once."""
    done = _run("--", "true", cwd=Path("/proc"))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "/proc" in done.stderr


def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    """Without its tools, and without a way to install them, it ends with 125 and one line that says what to install."""
    done = _run("--", "true", CGTUNE_CACHE=str(tmp_path / "cache"), PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (125, "")
    assert len(done.stderr.splitlines()) == 1
    assert "apt-get install" in done.stderr
    assert "qemu-system-x86" in done.stderr


def test_a_cache_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    """A file where the cache folder should be: 125 and one line that names the way out."""
    (tmp_path / "cache").write_text("")
    for tool in (*vm.PACKAGES_OF_TOOLS, "env"):
        (tmp_path / tool).symlink_to("/bin/true")
    done = _run("--", "true", CGTUNE_CACHE=str(tmp_path / "cache"), PATH=str(tmp_path))
    assert (done.returncode, len(done.stderr.splitlines())) == (125, 1)
    assert "CGTUNE_CACHE" in done.stderr


@given(st.binary(max_size=200), st.lists(st.integers(min_value=0, max_value=216), max_size=8), st.booleans())
def test_a_stream_passes_everything_but_the_token(text: bytes, cuts: list[int], finished: bool) -> None:
    """However the bytes are cut on their way, what comes out is what went in, without the token at the end."""
    token = b"0123456789abcdef"
    sent = text + token if finished else text
    read, write = os.pipe()
    stream = vm.Stream(write, token)
    edges = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    for start, end in itertools.pairwise(edges):
        stream.feed(sent[start:end])
    os.close(write)
    with os.fdopen(read, "rb") as passed:
        seen = passed.read()
    assert stream.ended == (finished or text.endswith(token))
    if finished:
        assert seen == text
    else:
        assert text.startswith(seen)
        assert token.startswith(text[len(seen) :]) or text.endswith(token)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (b"", "without a word"),
        (
            b"[ 1.2] Kernel panic - not syncing: init died\r\n[ 1.3] CPU: 0\n",
            "Kernel panic - not syncing: init died",
        ),
        (b"vm-init: cgroup v1 cpu could not be mounted\n[ 2.0] reboot: Power down\n", "the guest broke down: cgroup v1 cpu could not be"),
        (b"qemu-system-x86_64: cannot set up guest memory\n", "cannot set up guest memory"),
        (b"\xff\xfe broken\n", "broken"),
    ],
    ids=["silence", "panic", "init", "qemu", "bytes"],
)
def test_last_words(log: bytes, said: str) -> None:
    """Of a guest's console the line is chosen that says why it ended."""
    assert said in vm.last_words(log)
    assert len(vm.last_words(log).splitlines()) == 1


def _zstd(data: bytes) -> bytes:
    require(shutil.which("zstd"), "zstd is missing: apt-get install zstd")
    return subprocess.run(["zstd", "--stdout", "--quiet"], input=data, capture_output=True, check=True).stdout


_PACKED = {"xz": lzma.compress, "zstd": _zstd}


def _bzimage(payload: bytes, sectors: int) -> bytes:
    """A kernel as the boot protocol lays it: setup code of one and ``sectors`` sectors, code, the payload with its size, a trailer."""
    head = bytearray(512 * (sectors or 4) + 512)
    head[0x1F1] = sectors
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", head, 0x248, 716, len(payload) + 4)
    return bytes(head) + b"\xfd7zXZ\0 is no payload".ljust(716, b"\x90") + payload + struct.pack("<I", 5004) + b"trailer"


@pytest.mark.parametrize("packing", ["xz", "zstd"])
@pytest.mark.parametrize("sectors", [0, 39])
def test_the_boot_image_comes_out_of_its_wrapping(packing: str, sectors: int) -> None:
    """From a bzImage the ELF image is taken, as Debian 12 packs it and as Debian 13 does."""
    image = b"\x7fELF" + bytes(5000)
    assert vm.boot_image(_bzimage(_PACKED[packing](image), sectors)) == image


def test_a_kernel_in_another_wrapping_is_left_as_it_is() -> None:
    """QEMU takes a bzImage too; what is no kernel is said."""
    for payload in (b"\x1f\x8b gzip", lzma.compress(b"no ELF", lzma.FORMAT_XZ)):
        packed = _bzimage(payload, 4)
        assert vm.boot_image(packed) == packed
    with pytest.raises(vm.Failure, match="no bzImage"):
        vm.boot_image(b"\x7fELF" + bytes(2000))


@pytest.mark.parametrize(
    ("depends", "packages"),
    [
        (
            """\
linux-image-amd64
  Depends: linux-image-6.1.0-50-amd64
linux-image-6.1.0-50-amd64
 |Depends: linux-initramfs-tool
linux-initramfs-tool
linux-base
""",
            ["linux-image-6.1.0-50-amd64"],
        ),
        (
            """\
linux-image-amd64
  Depends: linux-base-amd64
  Depends: linux-image-7.2.12+deb14-amd64
linux-base-amd64
  Depends: linux-base-7.2.12+deb14-amd64
linux-image-7.2.12+deb14-amd64
  PreDepends: linux-base
  Depends: linux-binary-7.2.12+deb14-amd64
  Depends: linux-modules-7.2.12+deb14-amd64
linux-base
linux-base-7.2.12+deb14-amd64
linux-binary-7.2.12+deb14-amd64
linux-modules-7.2.12+deb14-amd64
linux-modules-7.1.9+deb14-amd64
""",
            [f"linux-{part}-7.2.12+deb14-amd64" for part in ("base", "binary", "image", "modules")],
        ),
    ],
    ids=["Debian 12", "Debian 14"],
)
def test_all_packages_of_a_kernel_are_found(depends: str, packages: list[str]) -> None:
    """One package up to Debian 13; from Debian 14 on those that its image package needs, each of the same version."""
    assert vm.kernel_packages(depends) == packages


def test_apt_has_lists_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another suite is asked for beside this machine's own; an archive that does not answer, on a port of nobody, is one line."""
    require(shutil.which("apt-get"), "needs apt")
    monkeypatch.setattr(vm, "archive_of_debian", lambda: "http://127.0.0.1:9/debian/")
    (tmp_path / "apt.conf").write_text('Acquire::Retries "0";\n')  # it would wait for seven seconds between its attempts
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    with pytest.raises(vm.Failure, match=r"^apt-get update failed: E: .*\Z"):
        vm.apt_for("trixie", tmp_path)
    assert (tmp_path / "sources.list").read_text().endswith("http://127.0.0.1:9/debian/ trixie main\n")
    assert (tmp_path / "state/lists/lock").exists()


def test_a_tool_that_is_missing_is_said() -> None:
    """A machine without apt: one line, no traceback."""
    with pytest.raises(vm.Failure, match="no-such-tool is missing"):
        vm.run_tool("no-such-tool", "update")


def test_a_suite_without_a_kernel_is_said() -> None:
    """No traceback if the archive has no kernel of this kind."""
    with pytest.raises(vm.Failure, match="linux-image-amd64"):
        vm.kernel_packages("linux-image-amd64\n")


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    """The order of loading puts every module behind its dependencies, each once, however its file is packed or spelled."""

    def make(name: str, depends: str, suffix: str = ".ko") -> None:
        data = b"\x7fELF\0depends=" + depends.encode() + b"\0name=x\0"
        packed = _PACKED["xz"](data) if suffix.endswith("xz") else _PACKED["zstd"](data) if suffix.endswith("zst") else data
        (tmp_path / f"{name}{suffix}").write_bytes(packed)

    make("virtio_ring", "")
    make("virtio", "virtio_ring")
    make("virtio_pci", "virtio,virtio_ring", ".ko.xz")
    make("virtio_console", "virtio", ".ko.zst")
    make("9pnet", "")
    make("9pnet_virtio", "9pnet,virtio")
    make("9p", "9pnet")
    make("over-lay", "")
    order = [path.name.split(".")[0] for path in vm.modules_in_order(tmp_path)]
    assert order == ["virtio_ring", "virtio", "virtio_pci", "virtio_console", "9pnet", "9pnet_virtio", "9p"]


def test_the_environment_that_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI, CGTUNE_*, PYTHON* and what is asked for get in, secrets of the caller do not, and PATH reaches the system's folders."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in {
        "CI": "true",
        "CGTUNE_X": "1",
        "PYTHONPATH": "a b",
        "TOKEN": "secret",
        "WANTED": "w",
        "PATH": "/opt/x:/usr/bin",
    }.items():
        monkeypatch.setenv(name, value)
    options = vm.parse_arguments(["--cpus", "3", "--cgroup", "v1", "--env", "WANTED", "--env", "NEW=a=b", "--env", "ABSENT", "--", "true"])
    environment = vm.guest_environment(options)
    assert environment.pop("PATH").split(":")[:2] == ["/opt/x", "/usr/bin"]
    assert environment == {
        "CI": "true", "CGTUNE_X": "1", "PYTHONPATH": "a b", "WANTED": "w", "NEW": "a=b",
        "HOME": "/root", "USER": "root", "CGTUNE_BENCH": "v1", "CGTUNE_BENCH_CPUS": "3",
    }  # fmt: skip
