"""Which variables a command sets, and what is said of those that nobody can know."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, strategies as st

from cgtune.manifests.shellwords import read_command

SHOW = "printenv A"  # the program that the scripts below start
SURE = [
    f"A=4 exec {SHOW}",
    f"export A=4; exec {SHOW}",
    f"export A='4' B=2\n{SHOW}",
    f'cd / && export A="4" && exec {SHOW} 2>&1',
    f"A=4\nexport A\n{SHOW} 2>/dev/null",
    f"set -a; A=4; {SHOW} &>/dev/stdout",
    f"# A=5\nexec env A=4 {SHOW} # A=6",
    f"export A=1; export A=4; {SHOW}",
    f"if true; then export B=1; fi; export A=4; {SHOW}",
    f"export A=4; if true; then export A=4; fi; {SHOW}",
    f"export A=a\\ b\\\\c; {SHOW}",
    f"export A='$(x)'\"\\$y\"; {SHOW}",
    f"(true; false) || true; export A=4; {SHOW}",
    f"{{ export A=4; }}; {SHOW}",
    f"export A=; {SHOW}",
    f"export \\\n A=4; {SHOW}",
    f"true 2>&1; export A=4; {SHOW}",
]
OPEN = {
    "export A=$(nproc); app": "the shell computes it",
    "export A=`nproc`; app": "the shell computes it",
    'export A="${A:-4}"; app': "the shell computes it",
    "A=$((2 * 3)) app": "the shell computes it",
    "export A=4\nif [ -f x ]; then export A=2; fi\napp": "the shell sets it on some of its ways",
    "test -f x || export A=4; app": "the shell sets it on some of its ways",
    "case x in y) export A=1 ;; esac; app": "the shell sets it on some of its ways",
    "for i in 1 2; do A=$i; export A; done; app": "the shell computes it",
    "(export A=4); app": "the shell sets it on some of its ways",
    "A=4 migrate; exec app": "the shell sets it for another program",
    "export A=4; unset A; app": "the shell takes it away",
    "while true; do A=4 app; done": "the shell sets it on some of its ways",
    "export A=*; app": "the shell computes it",
    "export A='4; app": "the shell computes it",
}


@pytest.mark.parametrize("script", SURE)
def test_what_is_sure_is_what_the_shell_does(script: str) -> None:
    """The program that a real shell starts says the same."""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    setting = read_command(["/bin/bash", "-c", script]).by_name["A"]
    assert (f"{setting.value}\n", setting.unknown) == (done.stdout, None)


@pytest.mark.parametrize("script", OPEN)
def test_what_is_not_sure_is_said(script: str) -> None:
    """No value, and why."""
    setting = read_command(["sh", "-ec", script]).by_name["A"]
    assert (setting.value, setting.unknown) == (None, OPEN[script])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["env", "-i", "A=1", "-u", "app"], {"A"}),
        (["/usr/bin/env", "-u", "B", "A=1", "C=", "app", "D=1"], {"A", "C"}),
        (["tini", "-g", "--", "bash", "-o", "pipefail", "-c", "A=1 app"], {"A"}),
        (["busybox", "sh", "-c", "A=1 app"], {"A"}),
        (["sh", "-c", "A=1; app"], set()),  # the shell's own, which the program does not get
        (["sh", "script.sh", "-c", "A=1 app"], set()),
        (["sh", "-c"], set()),
        (["app", "-c", "A=1 app"], set()),
        (["app", "A=1"], set()),
        (["sh", "-c", "echo A=1; 1A=2 B-=1 app"], set()),
        ([], set()),
    ],
)
def test_which_names_a_command_sets(words: list[str], names: set[str]) -> None:
    """An assignment counts where a program or a shell takes it for one."""
    assert read_command(words).by_name.keys() == names


def test_a_variable_of_the_environment_is_passed_on() -> None:
    """A shell exports what it was given, so a plain assignment changes it."""
    assert read_command(["sh", "-c", "A=1; app"], frozenset({"A"})).by_name["A"].value == "1"


@pytest.mark.parametrize(
    ("script", "unread"),
    [
        (". /vault/secrets/config && exec app", "the shell's . /vault/secrets/config"),
        ('eval "$(tool env)"; app', "the shell's eval $(tool env)"),
        ("export $(cat .env | xargs); app", "export of what the shell computes"),
        ("cat <<EOF > x\nexport A=1\nEOF\napp", "a here-document of the shell's script, which is not read"),
    ],
)
def test_what_may_set_more_is_told(script: str, unread: str) -> None:
    """A file or a program that the shell asks may set anything."""
    assert read_command(["sh", "-c", script]).unread == (unread,)


@given(st.text(alphabet=st.sampled_from("A=1 ;&|()'\"$`\\{}#<>\n-")), st.booleans())
def test_any_script_is_read(script: str, exports: bool) -> None:
    """Nothing is raised, and a value is said only if nothing of it is computed."""
    for setting in read_command(["sh", "-c", f"{'export ' * exports}{script}"]).by_name.values():
        assert (setting.value is None) == (setting.unknown is not None)
