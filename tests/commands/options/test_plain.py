"""The plain start reads what typer reads: every command line that it takes gives the same values by both, and so the same record."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cgtune.commands.options import COMMANDS, app, load_command
from cgtune.commands.options.check import check_options
from cgtune.commands.options.env import env_options
from cgtune.commands.options.exec import exec_options
from cgtune.commands.options.inspect import inspect_options
from cgtune.commands.options.lint import lint_options
from cgtune.commands.options.option import Command, Option, Values
from cgtune.commands.options.plain import parse_plain
from cgtune.commands.options.policy import policy_options
from cgtune.commands.options.ps import ps_options
from cgtune.commands.options.serve import serve_options
from cgtune.errors import UsageError
from tests.support import inside
from tests.support.examples import drawn

RECORDS: dict[str, Callable[[Values], object]] = {
    "inspect": inspect_options,
    "ps": ps_options,
    "check": check_options,
    "env": env_options,
    "exec": exec_options,
    "lint": lint_options,
    "policy": policy_options,
    "serve": serve_options,
}


def chosen(name: str, values: Values) -> object:
    """All that these values say: each by itself, and the record made of them, or the error."""
    command = load_command(name)
    rows: list[Any] = [*command.options, *([command.argument] if command.argument else [])]
    record: object = None
    with contextlib.suppress(KeyError):
        try:
            record = RECORDS[name](values)
        except UsageError as error:
            record = str(error)
    return [(row.name, values[row], type(values[row])) for row in rows], record


def by_typer(name: str, words: list[str], environ: dict[str, str]) -> object:
    """What the full start makes of a command line; None if it refuses it, or shows help instead."""
    seen: list[Values] = []
    command = load_command(name)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        patch.setattr(app, "load_command", lambda _: command.replace(run=seen.append))
        with inside.environment(environ):
            app.run([name, *words])
    return chosen(name, seen[0]) if seen else None


def by_plain(name: str, words: list[str], environ: dict[str, str]) -> object:
    """What the plain start makes of it; None if it leaves it to typer."""
    values = parse_plain(load_command(name), words, environ)
    return None if values is None else chosen(name, values)


# Command, words, environment: these are read without typer, as typer reads them.
PLAIN: list[tuple[str, str, dict[str, str]]] = [
    ("inspect", "", {}),
    ("inspect", "--pid 42", {}),
    ("inspect", "--pid=42 --pid 43 --format json", {}),
    ("inspect", "-v --format=table --format json --root /host", {}),
    ("inspect", "--metrics-url=http://127.0.0.1:80/m?a=b --verbose", {"CGTUNE_PID": " 7  8 "}),
    ("inspect", "--pid 42", {"CGTUNE_PID": "none", "CGTUNE_FORMAT": "json", "CGTUNE_VERBOSE": "off"}),
    ("inspect", "--min-procs 0 --rounding floor --reserve-cpu 0.5 --headroom 5%", {"CGTUNE_POLICY": "crowded=70 roomy=40"}),
    ("inspect", "app 42 --pod shop --format json dea8d6 --namespace=prod --command a --command b", {"CGTUNE_CONTAINER": "x y"}),
    ("check", "app --window 30 other", {}),
    ("ps", "app", {"CGTUNE_NAMESPACE": "prod"}),
    ("ps", "--root=/ --format json --policy crowded=70 --policy=roomy=40", {}),
    ("check", "--self --fail-on info --ignore a --ignore b --window 30 --exit-style nagios", {}),
    ("check", "--window=0.5", {"CGTUNE_SELF": "yes", "CGTUNE_IGNORE": "a b", "CGTUNE_WINDOW": "7", "CGTUNE_LISTEN": "x"}),
    ("env", "--cpu-limit 2.5 --memory-limit=512Mi --go 1.24 --dialect json --mode 0600", {"CGTUNE_CPU_DIVISOR": "1m"}),
    ("env", "--pid 0042", {}),
    ("exec", "-- true", {}),
    ("exec", "--dry-run --log-format json -- ls -l -- --dry-run", {"CGTUNE_ROOT": "/host"}),
    ("exec", "--override --always ls --root /x", {}),
    ("exec", "-- -- x", {}),
    ("predict", "--cpus 64 --env A=1 --env=B= --cgroup v1", {}),
    ("lint", "", {}),
    ("lint", "deploy - --fail-on info --go x=1.24 --go=y=1.25 -v", {"CGTUNE_IGNORE": "a b", "CGTUNE_PEDANTIC": "1"}),
    ("lint", "--fix a.yaml --config=/dev/null --node-cpus 16 --headroom 5%", {"CGTUNE_DIFF": "yes"}),
    ("schema", "lint", {}),
    ("snapshot", "out --pid 1", {}),
    ("snapshot", "--self out", {}),
    ("explain", "", {}),
    ("explain", "oom-killed", {}),
    ("serve", "--listen :9464 --interval 1m", {"CGTUNE_LOG_FORMAT": "text"}),
]


@pytest.mark.parametrize(("name", "line", "environ"), PLAIN)
def test_the_usual_command_lines_need_no_typer(name: str, line: str, environ: dict[str, str]) -> None:
    """They are read by the plain start, to what typer reads."""
    plain = by_plain(name, line.split(), environ)
    assert plain is not None
    assert plain == by_typer(name, line.split(), environ)


@pytest.mark.parametrize(
    ("name", "words", "environ"),
    [
        *(("inspect", ["--help"], {}), ("inspect", ["-h"], {}), ("inspect", ["--pi", "42"], {}), ("inspect", ["--nothing"], {})),
        *(("inspect", ["--pid"], {}), ("inspect", ["--pid", "0"], {}), ("inspect", ["--pid", "-1"], {}), ("inspect", ["--pid", ""], {})),
        *(("inspect", ["--pid=\u0664"], {}), ("inspect", ["--format", "JSON"], {}), ("inspect", ["--root="], {})),
        *(("serve", ["42"], {}), ("inspect", ["--"], {}), ("inspect", ["-vv"], {}), ("inspect", ["-v=1"], {}), ("inspect", [""], {})),
        *(("check", ["--self=1"], {}), ("check", ["--window", "1e3"], {}), ("check", ["--window", "1."], {}), ("check", ["--no-self"], {})),
        *(
            ("exec", [], {}),
            ("exec", ["-", "--root", "x"], {}),
            ("exec", ["--"], {}),
            ("exec", ["--dry-run"], {}),
            ("snapshot", [], {}),
            ("snapshot", ["a", "b"], {}),
        ),
        *(("explain", ["a", "b"], {}), ("inspect", ["--root", "--self"], {}), ("check", ["--pid", "1" * 10], {})),
        *(("inspect", [], {"CGTUNE_PID": "x"}), ("check", [], {"CGTUNE_SELF": "perhaps"}), ("inspect", [], {"_CGTUNE_COMPLETE": "x"})),
    ],
)
def test_what_is_unusual_is_left_to_typer(name: str, words: list[str], environ: dict[str, str]) -> None:
    """Help, completion, what is wrong, and spellings that few use: typer has the words for them."""
    assert by_plain(name, words, environ) is None


def spelled(option: Option[Any]) -> st.SearchStrategy[str]:
    """Values of an option as people type them, and as they should not."""
    texts = st.text(st.sampled_from("ab1=-/. :\u0664\udcff"), max_size=4)
    right: dict[str, st.SearchStrategy[str]] = {
        "text": texts,
        "choice": st.sampled_from(option.choices or ("",)),
        "flag": st.sampled_from(("1", "true", "yes", "on", "0", "false", "no", "off", "t", "Y", "2")),
        "whole": st.sampled_from(("1", "42", "007", "0", "-1", "+1", "1_0", "999999999", "1" * 20, "1.0", " 1")),
        "number": st.sampled_from(("30", "0.5", ".5", "5.", "1e3", "nan", "inf", "-1", "1_0", "007.50")),
    }
    return st.one_of(right[option.kind], right[option.kind], texts)


@st.composite
def command_lines(draw: st.DrawFn) -> tuple[str, list[str], dict[str, str]]:
    """A command with options of its own, in any spelling, twins in the environment, and words that have no business there."""
    name = draw(st.sampled_from(COMMANDS))
    command: Command = load_command(name)
    words: list[str] = []
    environ: dict[str, str] = {}
    for option in draw(st.lists(st.sampled_from(command.options), max_size=4)) if command.options else []:
        value = draw(spelled(option))
        way = draw(st.sampled_from(("apart", "apart", "joined", "twin", "short")))
        spelling = option.short if way == "short" and option.short else option.name
        if way == "twin":
            environ[option.twin] = value
        elif option.kind == "flag":
            words += [spelling] if way != "joined" else [draw(st.sampled_from((spelling, f"{spelling}={value}")))]
        else:
            words += [f"{spelling}={value}"] if way == "joined" else [spelling, value]
    strange = draw(st.lists(st.sampled_from(("x", "--", "-", "", "-v", "-vv", "--nothing", "--pi", "true", "-x")), max_size=2))
    for word in strange if draw(st.booleans()) or command.argument else []:
        words.insert(draw(st.integers(0, len(words))), word)
    return name, words, environ


@drawn(4)
@given(command_lines())
def test_both_starts_read_the_same(line: tuple[str, list[str], dict[str, str]]) -> None:
    """Of all options and spellings: what the plain start takes, typer takes too, as the same values and the same record."""
    plain = by_plain(*line)
    assert plain is None or plain == by_typer(*line)


@drawn(2)
@given(st.data())
def test_every_option_is_read_plainly(data: st.DataObject) -> None:
    """Each option of each command, rightly given by word or by twin, needs no typer."""
    name = data.draw(st.sampled_from([name for name in COMMANDS if load_command(name).options]))
    command = load_command(name)
    option = data.draw(st.sampled_from(command.options))
    right = {"text": "a b", "choice": (*option.choices, "")[0], "flag": "1", "whole": "42", "number": "1.5"}[option.kind]
    words = [option.name] if option.kind == "flag" else data.draw(st.sampled_from(([option.name, right], [f"{option.name}={right}"])))
    behind = ["x"] if command.argument is not None else []
    for line, environ in ((words + behind, {}), (behind, {option.twin: right})):
        plain = by_plain(name, line, environ)
        assert plain is not None
        assert plain == by_typer(name, line, environ)


def test_values_show_what_was_given() -> None:
    """A test that fails shows the command line's values by the names of its options."""
    assert repr(Values({"--root": "/host"})) == "Values({'--root': '/host'})"
