"""The scripts' own promises, with a stand-in for Python: no .venv is really made. CI makes a real one, in a fresh clone, each time."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.command import ROOT, run

# Stands in for python3 and, copied by "-m venv", for .venv/bin/python. It logs how it was called, and does what $STAND_IN says.
_STAND_IN = r"""#!/bin/sh
case "$1 $2" in
  "--version ") echo "Python 3.12.3" ;;
  "-c import sys"*) case "$STAND_IN" in old) exit 1 ;; esac ;;
  "-c import os"*) readlink -f "$0" ;;
  "-c import venv"*) case "$STAND_IN" in no-venv) exit 1 ;; esac ;;
  "-m venv")
    echo venv >> "$LOG"
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip")
    case "$3" in --version) exit 0 ;; esac
    for word; do :; done
    echo "pip:${word##*/}" >> "$LOG"
    sleep 0.2
    case "$STAND_IN" in
      no-package) echo "looking" ; echo "ERROR: no such package" >&2; exit 1 ;;
      no-network) echo "WARNING: Retrying (Retry(total=1" ; echo "ERROR: No matching distribution found" >&2; exit 1 ;;
    esac ;;
  "-m compileall") for word; do :; done; echo "compiled:${word##*/}" >> "$LOG" ;;
  *) for word; do printf '[%s]' "$word"; done; echo ;;
esac
"""


COMPILED = "compiled:cgtune"
USER, TESTS = "pip:requirements.lock", "pip:requirements-dev.lock"


class Clone:
    """A fresh clone, as far as the scripts can tell."""

    def __init__(self, place: Path) -> None:
        self.root = place / "clone"
        self.log = place / "log"
        self.bin = place / "bin"
        shutil.copytree(ROOT / "scripts", self.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        (self.root / "deploy").mkdir()
        (self.root / "deploy" / "requirements.lock").write_text("# made\nrich==15.0.0\ntyper==0.28.0\n")
        (self.root / "requirements-dev.lock").write_text("pytest==9.2.0\nrich==15.0.0\ntyper==0.28.0\n")
        self.bin.mkdir()
        for name in ("sh", "readlink", "cmp", "cp", "mv", "rm", "mkdir", "sleep", "flock", "grep", "tail", "nproc", "mktemp", "cat"):
            (self.bin / name).symlink_to(shutil.which(name) or pytest.fail(f"{name} is missing"))
        (self.bin / "python3").write_text(_STAND_IN)
        (self.bin / "python3").chmod(0o755)

    def start(self, *argv: object, stand_in: str = "", cwd: Path | None = None) -> subprocess.Popen[str]:
        environ = {"PATH": str(self.bin), "STAND_IN": stand_in, "LOG": str(self.log)}
        pipe = subprocess.PIPE
        return subprocess.Popen(list(map(str, argv)), cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)

    def run(self, *argv: object, stand_in: str = "", cwd: Path | None = None) -> tuple[int, str, str]:
        program = self.start(*argv, stand_in=stand_in, cwd=cwd)
        out, err = program.communicate(timeout=30)
        return program.returncode, out, err

    def logged(self, *, compiling: bool = False) -> list[str]:
        words = self.log.read_text().split() if self.log.exists() else []
        return [word for word in words if (word == COMPILED) == compiling]


class Locks:
    """The two lock files of a clone."""

    def __init__(self, clone: Clone) -> None:
        self.paths = (clone.root / "requirements-dev.lock", clone.root / "deploy" / "requirements.lock")

    def write(self, version: str) -> None:
        """Change the version of typer, as a pull would; the files are newer than any mark."""
        for path in self.paths:
            path.write_text(re.sub("typer==.*", f"typer=={version}", path.read_text()))
            os.utime(path, (2_000_000_000, 2_000_000_000))


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A fresh clone for this test alone."""
    return Clone(tmp_path)


def test_the_first_command_makes_the_venv_and_the_second_starts_nothing(clone: Clone) -> None:
    """The first run says on stderr what it does, stdout has the program's output only, and later runs call neither venv nor pip."""
    script = clone.root / "scripts" / "cgtune"
    code, out, err = clone.run(script, "inspect")
    assert (code, clone.logged()) == (0, ["venv", USER])
    assert out.startswith("[-I][-c]")
    assert out.endswith("[inspect]\n")
    first, second = err.splitlines()
    assert first == "cgtune: first run here: making .venv with Python 3.12.3"
    assert second == "cgtune: installing the 2 packages of deploy/requirements.lock, once"
    assert clone.run(script, "inspect") == (0, out, "")
    assert clone.logged() == ["venv", USER]
    assert clone.logged(compiling=True) == [COMPILED]  # for those who may not write here


def test_a_user_gets_no_packages_of_the_tests(clone: Clone) -> None:
    """scripts/cgtune installs what it needs; the first scripts/test adds its own; after that neither installs anything."""
    cgtune, test = clone.root / "scripts" / "cgtune", clone.root / "scripts" / "test"
    for script in (cgtune, test, cgtune, test):
        assert clone.run(script, "-q")[0] == 0
    assert clone.logged() == ["venv", USER, TESTS]


def test_an_older_lock_is_installed_over_a_newer_one(clone: Clone) -> None:
    """The mark is of the lock that was installed last: going back to an older commit, and forth again, installs each time."""
    cgtune, test, locks = clone.root / "scripts" / "cgtune", clone.root / "scripts" / "test", Locks(clone)
    clone.run(cgtune, "inspect")
    locks.write("0.29.0")
    clone.run(test, "-q")
    locks.write("0.28.0")
    clone.run(cgtune, "inspect")
    locks.write("0.29.0")
    clone.run(test, "-q")
    assert clone.logged() == ["venv", USER, TESTS, USER, TESTS]


def test_arguments_arrive_as_they_are_from_anywhere_through_a_symlink(clone: Clone, tmp_path: Path) -> None:
    """Blanks, empty words and options reach cgtune unchanged, whatever the folder and the name it is called by."""
    link = tmp_path / "a link"
    link.symlink_to(clone.root / "scripts" / "cgtune")
    code, out, _ = clone.run(link, "inspect", "", "a b", "--root", "*", cwd=Path("/"))
    assert code == 0
    assert out.endswith(f"[{clone.root}][inspect][][a b][--root][*]\n")


def test_a_half_made_venv_is_made_anew(clone: Clone) -> None:
    """A .venv without its mark, because somebody pressed Ctrl-C, is thrown away and made again."""
    broken = clone.root / ".venv" / "bin"
    broken.mkdir(parents=True)
    (broken / "python").write_text("#!/bin/sh\nexit 1\n")
    (broken / "python").chmod(0o755)
    (broken / "leftover").touch()
    code, out, _ = clone.run(clone.root / "scripts" / "test", "tests/test_docs.py")
    assert (code, out) == (0, "[-m][pytest][tests/test_docs.py]\n")
    assert clone.logged() == ["venv", TESTS]
    assert not (broken / "leftover").exists()


def test_two_runs_share_the_fast_tests(clone: Clone) -> None:
    """If no test is named: a CPU each, and one queue. What is named is run as it stands; one that fails is the outcome."""
    if (os.cpu_count() or 1) > 1:
        code, out, _ = clone.run(clone.root / "scripts" / "test", "--fast", "-q")
        first, second = out.splitlines()
        assert (code, first) == (0, second)
        assert re.fullmatch(r"\[-m\]\[pytest\]\[--fast\]\[-q\]\[--queue=/.+\]", first)
    code, out, _ = clone.run(clone.root / "scripts" / "test", "--fast", "tests/test_docs.py")
    assert (code, out) == (0, "[-m][pytest][--fast][tests/test_docs.py]\n")


def test_live_tests_run_alone(clone: Clone) -> None:
    """If no test is named: two runs share what others cannot disturb, and then the live and slow tests have the machine for themselves."""
    if (os.cpu_count() or 1) == 1:
        return
    for given, marks in (((), "not kernel"), (("-m", "fetched"), "fetched")):
        code, out, _ = clone.run(clone.root / "scripts" / "test", *given, "-q")
        first, second, alone = out.splitlines()
        assert (code, first) == (0, second)
        assert first.startswith(f"[-m][pytest][-m][({marks}) and not live][-q][--queue=/")
        assert alone == f"[-m][pytest][-m][({marks}) and live][-q]"


def test_after_an_upgrade_of_python_the_venv_is_made_anew(clone: Clone) -> None:
    """The .venv is of the very Python that made it, not of a link that leads to another one later: it is made again."""
    old, new, script = clone.bin / "python3.11", clone.bin / "python3.12", clone.root / "scripts" / "cgtune"
    # As venv does it: .venv/bin/python is a link to whatever was started
    (clone.bin / "python3").rename(old)
    old.write_text(old.read_text().replace('cp "$0" "$3/bin/python"', 'ln -s "$0" "$3/bin/python"'))
    (clone.bin / "ln").symlink_to(shutil.which("ln") or pytest.fail("ln is missing"))
    (clone.bin / "python3").symlink_to("python3.11")
    assert clone.run(script, "inspect")[0] == 0
    old.rename(new)
    (clone.bin / "python3").unlink()
    (clone.bin / "python3").symlink_to("python3.12")
    assert clone.run(script, "inspect")[0] == 0
    assert clone.logged() == ["venv", USER] * 2


def test_a_failed_install_is_one_line_and_the_next_run_tries_again(clone: Clone) -> None:
    """When pip fails the run ends with exit code 3 and one line that says why; what it left is no finished .venv."""
    script = clone.root / "scripts" / "cgtune"
    why = {"no-network": "the package index cannot be reached", "no-package": "ERROR: no such package"}
    for stand_in, words in why.items():
        code, out, err = clone.run(script, "inspect", stand_in=stand_in)
        assert (code, out) == (3, "")
        assert [line for line in err.splitlines() if "first run here" not in line and "installing" not in line] == [
            f"cgtune: pip could not install deploy/requirements.lock: {words}; run again to retry"
        ]
    assert clone.run(script, "inspect")[0] == 0
    assert clone.logged() == ["venv", USER] * 3


@pytest.mark.slow
@pytest.mark.parametrize(("script", "lock"), [("cgtune", "deploy/requirements.lock"), ("test", "requirements-dev.lock")])
def test_without_a_network_the_first_command_says_so(tmp_path: Path, script: str, lock: str) -> None:
    """The real Python and the real pip, whose index is a port where nobody listens: one line says what cannot be had, exit code 3."""
    clone = tmp_path / "clone"
    for name in ("scripts", "deploy/requirements.lock", "requirements-dev.lock"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if name == "scripts" else shutil.copy)(ROOT / name, clone / name)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environ = kept | {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple", "HOME": str(tmp_path)}
    done = subprocess.run([clone / "scripts" / script, "--version"], capture_output=True, text=True, timeout=120, env=environ, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[2:] == [
        f"{script}: pip could not install {lock}: the package index cannot be reached; run again to retry"
    ]


def test_a_changed_lock_is_installed_into_the_venv_that_is_there(clone: Clone) -> None:
    """After a pull that changed the lock file pip runs once; a lock file that was only touched costs nothing."""
    script, locks = clone.root / "scripts" / "cgtune", Locks(clone)
    clone.run(script, "inspect")
    locks.write("0.28.0")
    clone.run(script, "inspect")
    assert clone.logged() == ["venv", USER]
    locks.write("0.28.1")
    clone.run(script, "inspect")
    assert clone.logged() == ["venv", USER, USER]


def test_two_first_commands_at_once_make_one_venv(clone: Clone) -> None:
    """The second one waits for the first and then finds everything ready."""
    both = [clone.start(clone.root / "scripts" / "cgtune", "inspect") for _ in range(2)]
    for program in both:
        out, err = program.communicate(timeout=30)
        assert (program.returncode, out.endswith("[inspect]\n")) == (0, True), err
    assert clone.logged() == ["venv", USER]


@pytest.mark.parametrize(
    ("stand_in", "says"),
    [
        ("old", "needs Python 3.11 or newer, found Python 3.12.3: apt-get install python3 python3-venv"),
        ("no-venv", "apt-get install python3-venv"),
    ],
)
def test_what_is_missing_is_one_line_that_says_what_to_install(clone: Clone, stand_in: str, says: str) -> None:
    """Without a usable Python, or without python3-venv, nothing is made and one line says what to do."""
    code, out, err = clone.run(clone.root / "scripts" / "test", stand_in=stand_in)
    assert (code, out, len(err.splitlines())) == (3, "", 1)
    assert says in err
    assert not (clone.root / ".venv").exists()


def test_the_tests_options_are_taken_before_those_of_pytest(clone: Clone) -> None:
    """--kernel goes to the bench and --live-required into the environment; what follows is pytest's own."""
    (clone.root / "scripts" / "test-kernel").write_text('#!/bin/sh\necho "kernel $CGTUNE_REQUIRE_LIVE $*"\n')
    (clone.root / "scripts" / "test-kernel").chmod(0o755)
    script = clone.root / "scripts" / "test"
    assert clone.run(script, "--kernel", "--live-required", "-k", "v2")[1] == "kernel 1 -k v2\n"
    assert clone.run(script, "-k", "--kernel")[1] == "[-m][pytest][-k][--kernel]\n"


def test_the_script_runs_the_same_program_as_the_tests() -> None:
    """What scripts/cgtune prints is what the tests' own way of starting cgtune prints."""
    done = subprocess.run([ROOT / "scripts" / "cgtune", "--version"], capture_output=True, text=True, timeout=30, cwd="/", check=False)
    assert (done.returncode, done.stdout) == (0, run("--version").stdout)


@pytest.mark.parametrize(
    "name", sorted(path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and b"python3" in path.read_bytes()[:40])
)
def test_a_script_in_python_finds_what_it_imports(name: str) -> None:
    """--help imports all that the script is made of: what moves below it is noticed."""
    done = subprocess.run([ROOT / "scripts" / name, "--help"], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
