"""The config of ``cgtune lint``: where it is looked for, what it says, and one clear line for what it may not say."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from cgtune.commands.options.config import parse_config, read_config
from cgtune.commands.options.lint import BASELINE, COMMAND, CONFIGURED, FAIL_ON, GO, PEDANTIC, lint_options
from cgtune.commands.options.option import Values
from cgtune.commands.options.plain import parse_plain
from cgtune.commands.options.shared import IGNORE
from cgtune.errors import Unreadable, UsageError
from tests.commands.options.test_plain import by_typer  # noqa: F401
from tests.support import inside

FULL = """
ignore = ["fractional-quota"]
fail-on = "critical"
pedantic = true
node-cpus = 16
node_memory = "64Gi"
baseline = "known.json"
headroom = "5%"
min-procs = 1

[go]
"registry.example/*" = "1.24"
"other" = "1.27"

[per-path-ignores]
"charts/legacy/" = ["gomemlimit-unset"]
"x.yaml" = "gogc-malformed"
"""


def test_each_key_is_an_option() -> None:
    """Hyphens or underscores; a table is NAME=VALUE each, a number may be text, and a single text a list of one."""
    config = parse_config(FULL, "a/cgtune.toml", CONFIGURED)
    assert config.given == {
        "--ignore": ("fractional-quota",),
        "--fail-on": "critical",
        "--pedantic": True,
        "--node-cpus": "16",
        "--node-memory": "64Gi",
        "--baseline": "known.json",
        "--headroom": "5%",
        "--min-procs": 1,
        "--go": ("registry.example/*=1.24", "other=1.27"),
    }
    assert config.by_path == (("charts/legacy/", ("gomemlimit-unset",)), ("x.yaml", ("gogc-malformed",)))
    assert config.folder == os.path.abspath("a")


def test_each_option_that_a_config_may_set_can_be_set() -> None:
    """By a value of its kind."""
    values = {"flag": "true", "whole": "2", "number": "2", "text": '"a=b"'}
    for option in CONFIGURED:
        value = f'"{option.choices[0]}"' if option.choices else f'["{values["text"][1:-1]}"]' if option.many else values[option.kind]
        assert list(parse_config(f"{option.name[2:]} = {value}", "cgtune.toml", CONFIGURED).given) == [option.name]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ignore = [", "cgtune.toml is no TOML: "),
        ("ignored = []", "cgtune.toml: unknown key 'ignored'; there are allow-empty, "),
        ("fix = true", "unknown key 'fix'"),
        ("'\x1b[31m' = 1", "cgtune.toml is no TOML"),
        ('"\\u001b[31m" = 1', "unknown key '\\x1b[31m'"),
        ("ignore = 1", "ignore is 1, no list of texts"),
        ("ignore = [1]", "ignore is [1], no list of texts"),
        ("pedantic = 1", "pedantic is 1, not true or false; example: pedantic = true"),
        ('fail-on = "harm"', "fail-on is 'harm', none of info, warning, critical"),
        ("fail-on = [1]", "fail-on is [1], none of info, warning, critical"),
        ('min-procs = "2"', "min-procs is '2', no number that it takes; example: min-procs = 2"),
        ("min-procs = -1", "min-procs is -1, no number"),
        ("min-procs = true", "min-procs is True, no number"),
        ("node-cpus = [1]", "node-cpus is [1], no text"),
        ("node-cpus = true", "node-cpus is True, no text"),
        ("go = 1", "go is 1, no list of texts"),
        ("go = {a = []}", "go has a value that is no text"),
        ("per-path-ignores = []", "per-path-ignores is [], no table"),
        ("per-path-ignores = {a = 1}", "per-path-ignores is 1, no list of texts"),
        ("a = " + "[" * 5000, "cgtune.toml is no TOML"),
        ("min-procs = " + "9" * 4301, "cgtune.toml is no TOML"),
        ("a" + ".a" * 1001 + " = 1", "cgtune.toml is no TOML: a key of more than 1000 parts"),
        ("node-cpus = 0x" + "f" * 5000, "node-cpus has a number of too many digits"),
        ("per-path-ignores = {a = 0x" + "f" * 5000 + "}", "per-path-ignores has a number of too many digits"),
    ],
)
def test_what_a_config_may_not_say(text: str, words: str) -> None:
    """One printable line that names file, key and an example."""
    with pytest.raises(UsageError) as refused:
        parse_config(text, "cgtune.toml", CONFIGURED)
    assert words in str(refused.value)


def test_pyproject_has_a_table_of_ours() -> None:
    """[tool.cgtune] and nothing else of it."""
    text = '[project]\nname = "x"\n[tool.ruff]\nignore = 1\n[tool.cgtune]\npedantic = true\n'
    assert parse_config(text, "a/pyproject.toml", CONFIGURED).given == {"--pedantic": True}
    assert parse_config("[project]\n", "pyproject.toml", CONFIGURED).given == {}
    for wrong in ("[tool]\ncgtune = 1", "tool = 1"):
        if "cgtune" in wrong:
            with pytest.raises(UsageError, match=r"\[tool\.cgtune\] is no table"):
                parse_config(wrong, "pyproject.toml", CONFIGURED)
        else:
            assert parse_config(wrong, "pyproject.toml", CONFIGURED).given == {}


def test_the_nearest_config_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the current folder upward to the repository's root, and no further; our own file before pyproject.toml."""
    repository, below = tmp_path / "r", tmp_path / "r/a/b"
    below.mkdir(parents=True)
    (tmp_path / "cgtune.toml").write_text("broken")
    (repository / ".git").mkdir()
    monkeypatch.chdir(below)
    assert read_config(None, CONFIGURED).file is None
    (repository / "pyproject.toml").write_text('[tool.cgtune]\nignore = ["a"]\n')
    assert read_config(None, CONFIGURED).given == {"--ignore": ("a",)}
    (below / "pyproject.toml").write_text('[project]\nname = "cgtune"\n')
    assert read_config(None, CONFIGURED).given == {"--ignore": ("a",)}
    (repository / "cgtune.toml").write_text('ignore = ["b"]\nbaseline = "known.json"\n')
    config = read_config(None, CONFIGURED)
    assert (config.given["--ignore"], config.folder, config.file) == (("b",), str(repository), "../../cgtune.toml")
    assert config.beside(config.given["--baseline"]) == "../../known.json"


def test_without_a_repository_only_the_current_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies above is somebody else's, as in /tmp."""
    (tmp_path / "cgtune.toml").write_text("broken")
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    assert read_config(None, CONFIGURED).file is None
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"cgtune\.toml is no TOML"):
        read_config(None, CONFIGURED)


@pytest.mark.parametrize("content", [None, b"\xff", b"#" * (1 << 21)], ids=["none", "no UTF-8", "too large"])
def test_a_config_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """One line that names the option and the file."""
    if content is not None:
        (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(UsageError, match=r"--config '.*c\.toml'"):
        read_config(str(tmp_path / "c.toml"), CONFIGURED)


@pytest.mark.parametrize("unusual", [False, True], ids=["plainly", "by typer"])
def test_the_command_line_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unusual: bool) -> None:
    """Over the config, even with what is the default, and the environment does; what may be given several times counts from both."""
    (tmp_path / "cgtune.toml").write_text(FULL)
    monkeypatch.chdir(tmp_path)

    def chosen(*words: str, **environ: str) -> Values:
        seen: list[Values] = []
        with inside.environment(environ):
            if not unusual:
                plain = parse_plain(COMMAND, words, environ)
                assert plain is not None
                return plain
            from cgtune.commands.options import app

            monkeypatch.setattr(app, "load_command", lambda _: COMMAND.replace(run=seen.append))
            app.run(["lint", *words])
        return seen[0]

    assert lint_options(chosen()).fail_on == "critical"
    assert lint_options(chosen("--fail-on", "warning")).fail_on == "warning"
    assert lint_options(chosen(CGTUNE_FAIL_ON="info")).fail_on == "info"
    both = lint_options(chosen("--ignore", "a", "--go", "x=1.25", "-"))
    assert both.ignore == ("a", "fractional-quota")
    assert both.go[0] == "x=1.25"
    assert (both.paths, both.baseline, both.pedantic) == (("-",), "known.json", True)
    assert lint_options(chosen("--baseline", "b.json")).baseline == "b.json"


def test_what_counts_twice_counts_the_nearer_first() -> None:
    """Values above others: theirs, then those of below."""
    values = Values({IGNORE.name: ("a",)}).above({IGNORE.name: ("b",), PEDANTIC.name: True})
    assert (values[IGNORE], values[PEDANTIC], values[FAIL_ON], values[GO], values[BASELINE]) == (("a", "b"), True, "warning", (), None)


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_config_that_cannot_be_looked_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Nobody knows what it would have silenced; what lies above in a folder that may not be entered is somebody else's."""
    (tmp_path / "cgtune.toml").write_text('ignore = ["fractional-quota"]')
    (tmp_path / "inner").mkdir()
    real = os.stat

    def refuse(path: str, **more: Any) -> os.stat_result:
        if str(path).endswith("cgtune.toml"):
            raise OSError(number, os.strerror(number), path)
        return real(path, **more)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(Unreadable, match=r"^cgtune\.toml: "):
        read_config(None, CONFIGURED)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    if number == errno.EACCES:
        monkeypatch.setattr(os, "stat", lambda path, **more: refuse(path, **more) if str(path).startswith("..") else real(path, **more))
        assert read_config(None, CONFIGURED).given == {}
