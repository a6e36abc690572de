"""What is written is what the readers of each dialect see, or nothing is written."""

from __future__ import annotations

import shutil
import string
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from cgtune.advice.variables import PlannedVariable
from cgtune.errors import Unwritable
from cgtune.outputs.envfile import DIALECTS, render_comment, render_env
from tests.support.envreaders import READERS, read_compose, read_docker, read_kubernetes, read_systemd
from tests.support.examples import drawn
from tests.support.needs import require

SHELLS = (("dash",), ("bash", "--posix"), ("bash",), ("busybox", "sh"))
PLANNED = (
    PlannedVariable(name="GOMAXPROCS", value="3", because=("2.5 CPUs rounded up is 3", "Go 1.24 never reads a CPU quota")),
    PlannedVariable(name="GOMEMLIMIT", value="460MiB", because=("the memory limit: 536870912 bytes",)),
)
TAKEN = {"GOMAXPROCS": "3", "GOMEMLIMIT": "460MiB"}
HOSTILE = "x\n\r\0\x1b[31m'\"`$(touch /tmp/cgtune-test-owned)\\\n#; \u2028\u202e=\udcff<<EOF\\"

names = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=20).map(lambda name: f"X{name}")
sane = st.sampled_from(
    ["", "3", "460MiB", "a b", " a", "a ", "#a", "a#b", "$HOME", "${X}", "`id`", "a'b", 'a"b', "a\\", "a\\nb", "~", "!x", "<<E", "é"]
)
values = sane | st.text(max_size=30) | st.text("'\"\\$`#=;<> \t\n\r!{}()&|*?[]~", max_size=12)
variables = st.lists(
    st.builds(
        PlannedVariable,
        name=names,
        value=st.none() | values,
        because=st.lists(st.text(max_size=60) | st.just(HOSTILE), min_size=1, max_size=3).map(tuple),
    ),
    max_size=4,
    unique_by=lambda variable: variable.name,
)


def expected(written: Sequence[PlannedVariable]) -> dict[str, str]:
    """What a reader has to see."""
    return {variable.name: variable.value for variable in written if variable.value is not None}


@pytest.mark.parametrize("dialect", READERS)
@given(written=variables)
@drawn(1.5)
def test_a_reader_sees_what_was_meant(dialect: str, written: list[PlannedVariable]) -> None:
    """Whatever names, values and reasons there are: the consumer's own rules give back the same, or the value was refused."""
    try:
        text = render_env(written, dialect)
    except Unwritable:
        return
    assert READERS[dialect](text) == expected(written)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(value=st.text(string.ascii_letters + string.digits + "._-:/@%+, ", min_size=1, max_size=30).map(str.strip).filter(bool))
def test_no_dialect_refuses_a_plain_value(dialect: str, value: str) -> None:
    """Digits, units and paths can be written for everybody."""
    assert value in render_env([PlannedVariable(name="X", value=value, because=("so",))], dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_values_that_no_file_can_carry(dialect: str) -> None:
    """A NUL and bytes that are no text are refused by all, a second line by all that read lines; the error names the dialect."""
    refused = [
        "a\0b",
        "a\udcffb",
        *(["a\nb"] if dialect not in ("sh", "json", "yaml") else []),
        *(["a'b", ""] if dialect == "kubernetes" else []),
    ]
    for value in refused:
        with pytest.raises(Unwritable, match=f"the dialect {dialect} cannot carry X="):
            render_env([PlannedVariable(name="X", value=value, because=())], dialect)
    assert "X" * 128 in render_env([PlannedVariable(name="X" * 128, value="1", because=())], dialect)
    for name in ("", "1X", "A B", "A=B", "A\nB", "Ä", "X" * 129):
        with pytest.raises(Unwritable, match="is no name"):
            render_env([PlannedVariable(name=name, value="1", because=())], dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_file_without_variables(dialect: str) -> None:
    """Where nothing has to be set the file says why, where it can, and is still one that its reader takes."""
    left = [PlannedVariable(name="GOMAXPROCS", value=None, because=("no CPU limit was named",))]
    text = render_env(left, dialect)
    assert ("# GOMAXPROCS stays unset: no CPU limit was named\n" in text) == DIALECTS[dialect].comments
    if dialect in READERS:
        assert READERS[dialect](text) == {}


def test_comments_are_one_harmless_line() -> None:
    """Nothing in a reason ends the line, turns it round, or carries it on into the next."""
    comment = render_comment(PlannedVariable(name="X", value="1", because=(HOSTILE,)))
    assert comment.isprintable()
    assert not comment.endswith("\\")
    assert len(render_comment(PlannedVariable(name="X", value="1", because=("x" * 5000,)))) < 1100


def test_a_file_that_no_kubelet_reads() -> None:
    """Beyond 64 KiB nothing is written."""
    many = [PlannedVariable(name=f"X{number}", value="1", because=("x" * 900,)) for number in range(100)]
    with pytest.raises(Unwritable, match="more than any reader"):
        render_env(many, "kubernetes")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@given(written=variables)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_real_shell_sees_what_was_meant(shell: tuple[str, ...], written: list[PlannedVariable]) -> None:
    """dash, bash and busybox take the file of the dialect sh, and export exactly these values."""
    try:
        text = render_env(written, "sh")
    except Unwritable:
        return
    assert read_by(shell, text) == expected(written)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_one_file_serves_many_readers(shell: tuple[str, ...]) -> None:
    """What is written for Kubernetes is read alike by shells (set -a), systemd and compose; docker would keep the quotes."""
    text = render_env(PLANNED, "kubernetes")
    assert read_by(shell, text, before="set -a;") == TAKEN
    assert read_kubernetes(text) == read_systemd(text) == read_compose(text) == TAKEN
    assert read_docker(text) == {name: f"'{value}'" for name, value in TAKEN.items()}
    assert read_by(shell, render_env(PLANNED, "sh"), evaluated=True) == TAKEN


def read_by(shell: tuple[str, ...], text: str, *, before: str = "", evaluated: bool = False) -> dict[str, str]:
    """What the shell exports after reading the file."""
    require(shutil.which(shell[0]), f"apt-get install --no-install-recommends {shell[0]}")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "env").write_text(text, newline="")
        taken = 'eval "$(cat ./env)"' if evaluated else ". ./env"
        # exec: what is exported is what the next program has, to the byte
        argv = [*shell, "-c", f"{before} {taken}; exec /bin/cat /proc/self/environ"]
        done = subprocess.run(argv, cwd=folder, env={}, capture_output=True, check=True, timeout=30)
    assert done.stderr == b""
    pairs = [entry.decode().partition("=") for entry in done.stdout.split(b"\0") if entry]
    return {name: value for name, _, value in pairs if name.startswith(("X", "GO"))}


@given(written=st.lists(st.builds(PlannedVariable, name=st.just("ID"), value=values, because=st.just((HOSTILE,))), min_size=1, max_size=1))
@drawn(0.4)
def test_systemd_itself_sees_what_was_meant(written: list[PlannedVariable]) -> None:
    """systemd's own parser: systemd-tmpfiles reads os-release with the very code that reads EnvironmentFile=, and prints its ID."""
    require(shutil.which("systemd-tmpfiles"), "apt-get install --no-install-recommends systemd")
    try:
        text = render_env(written, "systemd")
    except Unwritable:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("etc", "run"):
            (root / name).mkdir()
        (root / "etc" / "os-release").write_text(text, newline="")
        # [ and ]: an empty value, and blanks at its ends, are to be seen as well
        (root / "lines.conf").write_text("f /run/taken 0644 - - - [%o]\n")
        argv = ["systemd-tmpfiles", "--create", f"--root={folder}", str(root / "lines.conf")]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, ""), text
        assert (root / "run" / "taken").read_text() == f"[{written[0].value}]"


@pytest.mark.parametrize("name", ["NO", "Y", "on", "False", "null", "nothing"])
def test_a_name_that_is_a_word_of_yaml_stays_a_name(name: str) -> None:
    """Readers of YAML 1.1 take NO and its like for a boolean, unless it stands in quotes."""
    text = render_env([PlannedVariable(name=name, value="1", because=())], "yaml")
    assert READERS["yaml"](text) == {name: "1"}


def test_what_a_shell_would_expand_is_escaped_for_systemd() -> None:
    """Between double quotes a backslash goes before each of the four characters that mean something there to a shell (systemd.exec(5))."""
    assert render_env([PlannedVariable(name="X", value='a"b\\c`d$e f', because=())], "systemd").splitlines()[-1] == r'X="a\"b\\c\`d\$e f"'
