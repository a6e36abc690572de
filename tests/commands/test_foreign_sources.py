"""Whatever text comes in by an option, a file or a server: nothing of it steers what comes out, and each refusal is one line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cgtune.commands.options import COMMANDS, load_command
from cgtune.model import Kill
from cgtune.outputs import FORMATS, names_of
from cgtune.outputs.kills import render_kills_json
from tests.commands import test_kills
from tests.support import inside, stories
from tests.support.foreigntext import NASTY, SHAPES, assert_steers_nothing

STORY = "v2-ancestor-tighter"
_NOWHERE = "http://127.0.0.1:1"
# What a command needs beside the option that is tried, so that it ends by itself and asks nobody.
_BESIDE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("inspect", "ps", "check"), ("--root", str(stories.STORIES / STORY))),
    "snapshot": ("out", "--root", str(stories.STORIES / STORY)),
    "env": ("--cpu-limit", "1"),
    "explain": ("oom-killed",),
    "lint": (".",),
    "predict": ("--cpus", "8"),
    "fleet": ("--prometheus", _NOWHERE),
    "serve": ("--listen", "nowhere"),
    "exec": ("--", "true"),
    "schema": ("report",),
    "policy": (),
}


def _whole(*names: str) -> str:
    """One text that is all of these at once."""
    return "".join(NASTY[name] for name in names)


#: What the command line of a kernel can hold: no NUL. A text of a file or a server may have one.
TYPED = _whole(*(name for name in NASTY if name != "long")).replace("\0", "")


def _assert_is_clean(done: inside.Done, *, lines: int | None = None) -> None:
    assert done.returncode in (0, 1, 2, 3, 125, 127), done
    assert_steers_nothing(done.stdout)
    assert_steers_nothing(done.stderr)
    assert "Traceback" not in done.stderr
    assert lines is None or done.stderr.count("\n") <= lines, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_is_quoted_raw(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each option of each command with a text that is no value of it, on the command line and as its twin in the environment."""
    monkeypatch.chdir(tmp_path)
    command = load_command(name)
    most = 12 if name == "env" else 2  # env says which lines an init container lacks
    for option in command.options:
        if option.kind == "flag" or option.name in ("--listen", "--root"):
            continue
        beside = _BESIDE[name][2:] if (name, option.name) == ("fleet", "--prometheus") else _BESIDE[name]
        words = (name, f"{option.name}={TYPED}", *beside)
        _assert_is_clean(inside.run(*words), lines=most)
        _assert_is_clean(inside.run(name, *beside, **{option.twin: TYPED}), lines=most)
    _assert_is_clean(inside.run(name, f"--{TYPED}", *_BESIDE[name]), lines=most)
    _assert_is_clean(inside.run(name, *(() if name == "exec" else (f"--root={TYPED}",)), *(TYPED, "--") * (name == "exec")), lines=most)


def _manifests() -> dict[str, str]:
    """By the end of a file's name: manifests in which names, keys, values and comments are nasty, each with a finding."""
    text = _whole(*NASTY).replace("\udcff\udc80", "")[:3000]
    quoted = json.dumps(text)  # a string of JSON is one of YAML
    plain = "".join(letter for letter in text if letter.isprintable() and letter != "\\")
    container: dict[str, Any] = {"name": text, "image": text, "resources": {"limits": {"memory": "512Mi", text: text}}}
    container["env"] = [{"name": "GOMEMLIMIT", "value": "512MiB"}, {"name": text, "value": text}, {"name": "GODEBUG", "value": text}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": text, "namespace": text, "annotations": {text: text}}}
    task = {"family": text, "containerDefinitions": [{"name": text, "image": text, "memory": 512, "environment": container["env"]}]}
    service = f"  {quoted}:\n    image: {quoted}\n    mem_limit: 512m\n    environment: {{GOMEMLIMIT: 512MiB, {quoted}: {quoted}}}\n"
    return {
        "pod.json": json.dumps(pod | {"spec": {"containers": [container]}}),
        "pod.yaml": f"# {plain}\n# Source: {plain}\n" + json.dumps(pod | {"spec": {"containers": [container]}}),
        "task.json": json.dumps(task),
        "compose.yaml": f"services:\n{service}",
        "a.service": f"# {plain}\n[Service]\nMemoryMax=512M\nEnvironment=GOMEMLIMIT=512MiB\nDescription={plain}\nExecStart=/{plain}\n",
        "not.yaml": f"kind: Pod\n{plain}: [\n",
    }


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A folder with them; its own name and theirs are nasty, too."""
    name = _whole("terminal", "lines", "turned round", "no UTF-8", "attributes", "workflow").replace("\0", "").replace("/", "")
    folder = tmp_path / name
    folder.mkdir()
    for end, text in _manifests().items():
        (folder / f"{'' if end == 'compose.yaml' else name[:40]}{end}").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize("format_", names_of("lint"))
def test_no_manifest_steers_what_is_said_of_it(format_: str, manifests: Path) -> None:
    """Kubernetes, Compose, ECS, systemd, and what is none: names, keys, values, comments and the files' own names."""
    for more in ((), ("--verbose", "--pedantic"), ("--diff",), ("--statistics",)):
        if format_ == "text" or not more or more[0] == "--verbose":
            done = inside.run("lint", "--go", "1.24", "--format", format_, *more, manifests)
            _assert_is_clean(done)
            assert done.returncode == 1, done.stderr
            SHAPES[format_](done.stdout)


def test_no_list_of_services_steers_what_is_said_of_it(tmp_path: Path) -> None:
    """The rows of predict --input: their names and variables, in each format; and manifests as its input."""
    path = tmp_path / "services.csv"
    name = NASTY["terminal"].replace("\0", "") + NASTY["turned round"] + NASTY["markup"] + NASTY["workflow"]
    path.write_text('name,go,cpu_limit\n"{}",1.24,2\n'.format(name.replace('"', '""')), "utf-8")
    for format_ in ("table", "json", "csv", "markdown"):
        done = inside.run("predict", "--from", "1.24", "--to", "1.27", "--cpus", "64", "--input", path, "--format", format_)
        _assert_is_clean(done)
        SHAPES[format_](done.stdout)


def _made_root(tmp_path: Path) -> tuple[Path, int]:
    """A story whose process, cgroups and container bear nasty names, as its files of /proc and /sys say them."""
    pid = stories.pid_of(STORY)
    root = tmp_path / "root"
    shutil.copytree(stories.STORIES / STORY, root, symlinks=True)
    process = root / "proc" / str(pid)
    name = (_whole("terminal", "turned round", "markup", "cells", "workflow", "labels", "no UTF-8").replace("\0", "")).encode(
        "utf-8", "surrogateescape"
    )
    stat, status = (process / "stat").read_bytes(), (process / "status").read_bytes()
    (process / "stat").write_bytes(stat[: stat.index(b"(") + 1] + name.replace(b"\n", b"\\n")[:60] + stat[stat.rindex(b")") :])
    (process / "status").write_bytes(b"Name:\t" + name.replace(b"\n", b"\\n")[:60] + status[status.index(b"\n") :])
    (process / "cmdline").write_bytes(name + b"\0" + name)
    escaped = name.replace(b"\n", b"\\012")
    lines = (process / "cgroup").read_bytes().splitlines()
    (process / "cgroup").write_bytes(b"".join(line + b"/" + escaped.replace(b"/", b"")[:150] + b"\n" for line in lines))
    link = process / "exe"
    if link.is_symlink():
        link.unlink()
    os.symlink(b"/app/" + name.replace(b"/", b"")[:150], bytes(link))
    return root, pid


@pytest.mark.parametrize(
    "row", [row for row in FORMATS if row.command in ("inspect", "ps", "check")], ids=lambda row: f"{row.command} {row.name}"
)
def test_no_machine_steers_what_is_said_of_it(row: Any, tmp_path: Path) -> None:
    """A process's names, its program's and its cgroups', from the kernel's own files to each format."""
    root, pid = _made_root(tmp_path)
    done = inside.run(row.command, "--root", root, "--format", row.name, *(() if row.command == "ps" else ("--pid", pid)))
    _assert_is_clean(done)
    SHAPES[row.name](done.stdout) if done.stdout else None


def test_no_machine_steers_values_and_recordings(tmp_path: Path) -> None:
    """Nor do env, whose file a shell reads, and what a recording of it replays."""
    root, pid = _made_root(tmp_path)
    for dialect in ("sh", "systemd", "docker", "compose", "kubernetes"):
        _assert_is_clean(inside.run("env", "--root", root, "--pid", pid, "--dialect", dialect))
    made = inside.run("snapshot", tmp_path / "again", "--root", root, "--pid", pid)
    _assert_is_clean(made)
    _assert_is_clean(inside.run("inspect", "--root", tmp_path / "again"))


@pytest.mark.parametrize("command", ["inspect", "ps", "check"])
def test_no_answer_of_another_serve_steers_what_is_said_of_it(command: str) -> None:
    """The kills that it remembers, with any command's name; a page that is none, and a refusal."""
    nasty = _whole(*(name for name in NASTY if name not in ("long", "no UTF-8")))
    (told,) = test_kills.kills(test_kills.recent())
    last = Kill(time_seconds=test_kills.recent(), pid=7, command=nasty, certainty="likely", limit_bytes=1 << 28)
    told = told.replace(last=last)
    with test_kills.serving(render_kills_json((told,), version=nasty, since_seconds=0.0, forgotten=0).encode()) as url:
        _assert_is_clean(test_kills.run(command, url))
    refused = [(200, nasty.encode()), (200, json.dumps({"schema": nasty}).encode()), (503, nasty.encode())]
    for status, body in refused if command == "check" else ():
        with test_kills.serving(body, status=status) as url:
            done = test_kills.run(command, url)
            _assert_is_clean(done, lines=1)
            assert done.returncode == 3, done
