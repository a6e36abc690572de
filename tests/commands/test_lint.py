"""``cgtune lint``, run as it is typed: which findings fail, what is written where, and that nothing else of a file changes."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from cgtune.commands.mending import is_elsewhere
from cgtune.errors import Unwritable
from cgtune.lint.baseline import parse_baseline
from tests.commands.test_check import validate_sarif
from tests.support import inside, kubernetes
from tests.support.command import PROGRAM, environment, read_terminal, run
from tests.support.lintreports import MANIFEST

EXCEEDS, NUMBER = "gomemlimit-exceeds-limit", "env-value-not-string"
#: Nothing is wrong with it.
CLEAN = MANIFEST.replace("512MiB", "460MiB").replace("2}", '"2"}')
LARGE = CLEAN.replace("460MiB", "512MiB")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which a manifest with two mistakes lies."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.yaml").write_text(MANIFEST)
    return tmp_path


def lint(*arguments: object, **environ: str) -> inside.Done:
    """One run, in the test's own process."""
    return inside.run("lint", *arguments, **environ)


def piped(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One run of the program, with this on standard input."""
    argv = [*PROGRAM, "lint", *arguments]
    return subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60, env=environment(), check=False)


def found(*arguments: object, **environ: str) -> list[tuple[str, int]]:
    """Rule and line of each finding."""
    return [(one["rule"], one["line"]) for one in json.loads(lint("--format", "json", *arguments, **environ).stdout)["findings"]]


def last_line(done: inside.Done | subprocess.CompletedProcess[str]) -> str:
    """The last line on stderr."""
    return done.stderr.splitlines()[-1]


def test_findings_are_on_stdout_and_counts_on_stderr(folder: Path) -> None:
    """Place, cause, line, act; then what was looked at. Both starts say the same."""
    done = run("lint", "orders.yaml")
    assert done.returncode == 1
    first = done.stdout.splitlines()[0]
    assert first.startswith(f"orders.yaml:14:18: warning {EXCEEDS}: Deployment/shop/orders, container app: GOMEMLIMIT")
    assert f"orders.yaml:15:37: critical {NUMBER}" in done.stdout
    assert done.stderr.startswith("cgtune: 1 file, 1 container: 1 critical, 1 warning; --fix mends 1; --unsafe-fixes mends 1")
    assert done.stderr.count("\n") == 1
    again = lint("orders.yaml")
    assert (again.returncode, again.stdout, again.stderr) == (done.returncode, done.stdout, done.stderr)
    assert lint().stdout.replace("./orders.yaml", "orders.yaml") == done.stdout


@pytest.mark.parametrize(
    ("text", "arguments", "code"),
    [
        (CLEAN, (), 0),
        (MANIFEST, (), 1),
        (LARGE, (), 1),
        (LARGE, ("--fail-on", "critical"), 0),
        (LARGE, ("--ignore", EXCEEDS), 0),
        (MANIFEST, ("--fail-on", "critical"), 1),
        (MANIFEST, ("--ignore", "gomemlimit-exceed-limit"), 2),
        (MANIFEST, ("--format", "xml"), 2),
        (MANIFEST, ("--fail-on", "harm"), 2),
        (MANIFEST, ("--node-cpus", "many"), 2),
        (MANIFEST, ("--node-memory", "1 GB"), 2),
        (MANIFEST, ("--config", "none.toml"), 2),
        (MANIFEST, ("--baseline", "none.json"), 2),
        (MANIFEST, ("--statistics", "--format", "json"), 2),
        (MANIFEST, ("--fix", "--write-baseline", "x"), 2),
        ("a: 1\n", (), 3),
        ("a: 1\n", ("--allow-empty",), 0),
        ("{{ if }}\n", (), 3),
        ("", (), 3),
    ],
)
def test_exit_codes(folder: Path, text: str, arguments: tuple[str, ...], code: int) -> None:
    """0 clean, 1 a finding at or above --fail-on, 2 what cannot be used, 3 nothing was judged; each with a line that says why."""
    (folder / "orders.yaml").write_text(text)
    done = lint("orders.yaml", *arguments)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    if code > 1:
        assert done.stdout == ""
        assert all(line.startswith("cgtune: ") for line in done.stderr.splitlines())
        assert done.stderr.count("\n") == (1 if code == 2 else 2)


def test_verbose_is_asked_for_only_if_it_says_more(folder: Path) -> None:
    """An empty file has nothing that was skipped; two documents that hold no container have."""
    for text, told in (("", False), ("a: 1\n---\nb: 1\n", True)):
        (folder / "orders.yaml").write_text(text)
        assert ("-v says why" in lint("orders.yaml").stderr) is told


@pytest.mark.parametrize("format_", ["json", "sarif", "junit", "github", "gitlab"])
def test_formats_of_machines_hold_nothing_else(folder: Path, format_: str) -> None:
    """Findings or none: stdout is the document; what is counted is on stderr."""
    done = lint("orders.yaml", "--format", format_)
    assert done.returncode == 1
    (folder / "orders.yaml").write_text(CLEAN)
    clean = lint("orders.yaml", "--format", format_)
    assert clean.returncode == 0
    for said in (done, clean):
        assert said.stderr.startswith("cgtune: 1 file, 1 container: ")
        if format_ in ("json", "gitlab"):
            json.loads(said.stdout)
    if format_ == "sarif":
        (limit, number) = validate_sarif(done.stdout)["runs"][0]["results"]
        assert limit["locations"][0]["physicalLocation"]["region"]["snippet"]["text"] == '          value: "512MiB"'
        assert number["fixes"][0]["artifactChanges"][0]["artifactLocation"] == {"uri": "orders.yaml"}


def test_what_could_not_be_read_is_no_clean_verdict(folder: Path) -> None:
    """3 with a line for each file, unless another file has a finding that fails; the others are judged all the same."""
    (folder / "clean.yaml").write_text(CLEAN)
    (folder / "bytes.yaml").write_bytes(b"\xff\xfea\x00")
    done = lint("clean.yaml", "none.yaml", "bytes.yaml")
    assert done.returncode == 3
    assert "none.yaml does not exist" in done.stderr
    assert "bytes.yaml is UTF-16" in done.stderr
    assert "1 file, 1 container: nothing found" in done.stderr
    assert lint("orders.yaml", "none.yaml").returncode == 1


def test_nothing_read_is_one_line(folder: Path) -> None:
    """Of files that are not there nothing is counted: "nothing found" would be read as good news."""
    done = lint("none.yaml")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "none.yaml does not exist" in done.stderr


def test_standard_input_is_read_once(folder: Path) -> None:
    """As from helm template: the template is named, the hint says what to change where it comes from, and there is no file to mend."""
    text = f"---\n# Source: shop/templates/orders.yaml\n{MANIFEST}"
    done = piped(text, "-")
    assert done.returncode == 1
    assert done.stdout.startswith(f"<stdin>:16:18: warning {EXCEEDS}: Deployment/shop/orders, container app")
    assert "  rendered from: shop/templates/orders.yaml\n" in done.stdout
    assert "fix:" not in done.stdout
    for option in ("--fix", "--diff", "--unsafe-fixes"):
        refused = piped(text, option, "-")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "standard input is none" in refused.stderr


@pytest.mark.fetched
def test_a_chart_is_judged_as_it_is_rendered(folder: Path) -> None:
    """Helm's own output by a pipe: the line of the stream, the template, the cause, and what to change; nothing of it is a file to mend."""
    templates = folder / "chart" / "templates"
    templates.mkdir(parents=True)
    (folder / "chart/Chart.yaml").write_text("{apiVersion: v2, name: shop, version: 0.1.0}\n")
    (folder / "chart/values.yaml").write_text("threads: 2\nmemory: 512Mi\n")
    text = MANIFEST.replace("value: 2}", "value: {{ .Values.threads }}}").replace("memory: 512Mi", "memory: {{ .Values.memory }}")
    (templates / "orders.yaml").write_text(text)
    made = kubernetes.run("helm", "template", "monitoring", folder / "chart")
    assert made.returncode == 0, made.stderr
    done = piped(made.stdout, "-")
    assert done.returncode == 1
    for word, rule in (('"512MiB"', EXCEEDS), ("2}", NUMBER)):
        line = next(number for number, line in enumerate(made.stdout.splitlines(), 1) if word in line)
        assert re.search(rf"^<stdin>:{line}:\d+: \w+ {rule}: ", done.stdout, re.MULTILINE), done.stdout
    assert done.stdout.count("  rendered from: shop/templates/orders.yaml\n") >= 2
    assert "fix: " not in done.stdout
    first = json.loads(piped(made.stdout, "-", "--format", "json").stdout)["findings"][0]
    assert first["source"] == "shop/templates/orders.yaml"
    assert first["hint"]


def test_a_comment_an_annotation_and_a_path_silence(folder: Path) -> None:
    """Each leaves its finding out, counts it, and is told if it silences nothing or names no rule."""
    assert found("orders.yaml") == [(EXCEEDS, 14), (NUMBER, 15)]
    (folder / "orders.yaml").write_text(MANIFEST.replace('"512MiB"', f'"512MiB"  # cgtune: ignore[{EXCEEDS}] as measured'))
    done = lint("orders.yaml")
    assert (done.returncode, "1 silenced" in done.stderr) == (1, True)
    assert found("orders.yaml") == [(NUMBER, 15)]
    (folder / "orders.yaml").write_text(
        MANIFEST.replace("  namespace: shop\n", f'  namespace: shop\n  annotations: {{cgtune.dev/ignore: "{NUMBER}: why"}}\n')
    )
    assert found("orders.yaml") == [(EXCEEDS, 15)]
    (folder / "cgtune.toml").write_text(f'[per-path-ignores]\n"*.yaml" = ["{EXCEEDS}", "gogc-malformd"]\n')
    done = lint("orders.yaml", "-v")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[0].startswith(
        "cgtune: per-path-ignores, '*.yaml': no rule 'gogc-malformd'; did you mean gogc-malformed?"
    )
    (folder / "orders.yaml").write_text(CLEAN.replace('"460MiB"', f'"460MiB" # cgtune: ignore[{EXCEEDS}]'))
    (folder / "cgtune.toml").unlink()
    vain = f"cgtune: orders.yaml:14: {EXCEEDS} silences nothing\n"
    assert [vain in lint("orders.yaml", *words).stderr for words in ((), ("-v",), ("--pedantic",))] == [False, True, True]


def test_what_is_pedantic_can_be_silenced_beforehand(folder: Path) -> None:
    """Its comment is of use, whether it would be shown or not, and is not counted if it would not."""
    text = CLEAN.replace('value: "2"}', 'value: "1"}  # cgtune: ignore[gomaxprocs-pinned, gomaxprocs-below-quota]')
    text = text.replace('- {name: GOMAXPROCS, value: "1"}', '- {name: GOMAXPROCS, value: "1"}')
    (folder / "orders.yaml").write_text(text)
    quiet, pedantic = lint("orders.yaml", "-v"), lint("orders.yaml", "--pedantic")
    assert "gomaxprocs" not in quiet.stdout + pedantic.stdout
    assert ("silenced" in quiet.stderr, "1 silenced" in pedantic.stderr) == (False, True)


def test_a_baseline_lets_new_findings_fail_alone(folder: Path) -> None:
    """Written whole, sorted and without lines; a finding that moved is known, one of another container is not, and what is gone is told."""
    written = lint("--write-baseline", "known.json", "orders.yaml")
    assert (written.returncode, written.stdout) == (0, "")
    assert written.stderr == "cgtune: 2 findings written to known.json; --baseline known.json leaves them out\n"
    assert len(parse_baseline((folder / "known.json").read_text(), "known.json")) == 2
    assert sorted(os.listdir(folder)) == ["known.json", "orders.yaml"]
    (folder / "orders.yaml").write_text("# a line more\n" + MANIFEST)
    assert found("--baseline", "known.json", "orders.yaml") == []
    assert "2 silenced" in lint("--baseline", "known.json", "orders.yaml").stderr
    (folder / "orders.yaml").write_text(MANIFEST.replace("name: app", "name: other"))
    assert len(found("--baseline", "known.json", "orders.yaml")) == 2
    (folder / "orders.yaml").write_text(CLEAN)
    assert lint("--baseline", "known.json", "orders.yaml", "-v").stderr.count(" gone\n") == 2
    (folder / "cgtune.toml").write_text('baseline = "known.json"\n')
    (folder / "orders.yaml").write_text(MANIFEST)
    (folder / "below").mkdir()
    assert lint("orders.yaml").returncode == 0
    assert "2 findings" in lint("--write-baseline", "known.json", "orders.yaml").stderr  # the old one silences nothing


def test_no_baseline_is_written_of_what_was_not_read(folder: Path) -> None:
    """It would let through what it never saw."""
    done = lint("--write-baseline", "known.json", "orders.yaml", "none.yaml")
    assert (done.returncode, (folder / "known.json").exists()) == (3, False)
    done = lint("--write-baseline", "none/known.json", "orders.yaml")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


def test_fix_mends_what_is_safe(folder: Path) -> None:
    """One line of the file changes; what is left is judged; a second time changes nothing."""
    (folder / "orders.yaml").chmod(0o640)
    done = lint("--fix", "orders.yaml")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "cgtune: 1 finding mended in 1 file"
    assert (folder / "orders.yaml").read_text() == MANIFEST.replace("value: 2}", 'value: "2"}')
    assert (folder / "orders.yaml").stat().st_mode & 0o777 == 0o640
    assert NUMBER not in done.stdout
    trace = (folder / "orders.yaml").stat().st_mtime_ns
    again = lint("--fix", "orders.yaml")
    assert (again.stdout, again.returncode) == (done.stdout, 1)
    assert again.stderr.startswith("cgtune: nothing was mended\n")
    assert (folder / "orders.yaml").stat().st_mtime_ns == trace


def test_unsafe_fixes_mend_the_rest(folder: Path) -> None:
    """The recommended value, in the quotes that were there; then all is clean, and the object is the same but for the two values."""
    before = yaml.safe_load(MANIFEST)
    done = lint("--unsafe-fixes", "orders.yaml")
    assert (done.returncode, done.stdout) == (0, "")
    after = yaml.safe_load((folder / "orders.yaml").read_text())
    env = before["spec"]["template"]["spec"]["containers"][0]["env"]
    env[0]["value"], env[1]["value"] = "460MiB", "2"
    assert after == before
    assert (folder / "orders.yaml").read_text().replace("460", "512").replace('"2"}', "2}") == MANIFEST


def test_a_diff_changes_nothing(folder: Path) -> None:
    """It is what the fix would do, for patch(1); the exit code is that of what is there."""
    done = lint("--diff", "orders.yaml")
    assert done.returncode == 1
    assert (folder / "orders.yaml").read_text() == MANIFEST
    assert [line for line in done.stdout.splitlines() if line[0] in "+-"] == [
        "--- orders.yaml",
        "+++ orders.yaml",
        "-        - {name: GOMAXPROCS, value: 2}",
        '+        - {name: GOMAXPROCS, value: "2"}',
    ]
    assert done.stderr.startswith("cgtune: 1 finding would be mended in 1 file\n")
    both = lint("--diff", "--unsafe-fixes", "orders.yaml")
    assert len([line for line in both.stdout.splitlines() if line[0] in "+-"]) == 6
    assert (folder / "orders.yaml").read_text() == MANIFEST


def test_what_is_silenced_is_not_mended(folder: Path) -> None:
    """Somebody has said that it is right."""
    text = MANIFEST.replace("value: 2}", f"value: 2}}  # cgtune: ignore[{NUMBER}]")
    (folder / "orders.yaml").write_text(text)
    lint("--fix", "orders.yaml")
    assert (folder / "orders.yaml").read_text() == text


def test_a_link_is_not_written_through(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It may lead anywhere: that is said, and the other files are mended."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "orders.yaml"
    elsewhere.write_text(MANIFEST)
    (folder / "link.yaml").symlink_to(elsewhere)
    done = lint("--fix", "link.yaml", "orders.yaml")
    assert f"not mended: link.yaml is a symbolic link to {elsewhere}" in done.stderr
    assert "1 finding mended in 1 file" in done.stderr
    assert elsewhere.read_text() == MANIFEST
    assert (folder / "orders.yaml").read_text() != MANIFEST
    assert os.path.islink(folder / "link.yaml")


def test_a_folder_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line and exit code 3; the file is what it was, and no draft lies beside it."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "rename", refuse)
    done = lint("--fix", "orders.yaml")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "Read-only file system; nothing was written" in done.stderr
    monkeypatch.undo()
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"orders.yaml": MANIFEST}


def test_statistics(folder: Path) -> None:
    """Counts instead of findings, with the same exit code."""
    done = lint("--statistics", "orders.yaml")
    assert done.returncode == 1
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:]] == [["1", NUMBER, "critical"], ["1", EXCEEDS, "warning"]]


def test_verbose_names_what_was_skipped(folder: Path) -> None:
    """With the reason; without it they are counted."""
    (folder / "values.yaml").write_text("replicas: 1\n")
    quiet, loud = lint(), lint("-v")
    assert "values.yaml" not in quiet.stderr
    assert "1 document skipped (-v lists them)" in quiet.stderr
    assert "cgtune: ./values.yaml:1: skipped: " in loud.stderr


@pytest.mark.parametrize("name", ["json", "text", "sarif", "junit", "github", "gitlab"])
def test_a_full_disk_is_said(folder: Path, name: str) -> None:
    """Exit code 3 and one line, instead of a report that is cut off."""
    with open("/dev/full", "wb") as full:
        argv = [*PROGRAM, "lint", "--format", name, "orders.yaml"]
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=environment(), check=False)
    assert done.returncode == 3
    assert done.stderr == "cgtune: could not write to standard output: No space left on device; send it to where there is room\n"


def test_a_reader_that_has_gone_takes_nothing_from_the_verdict(folder: Path) -> None:
    """`cgtune lint | head -1`: no traceback, and the exit code that counts."""
    done = subprocess.Popen([*PROGRAM, "lint", "."], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    assert done.stdout is not None
    assert done.stderr is not None
    done.stdout.close()
    assert b"Traceback" not in done.stderr.read()
    assert done.wait(60) == 1
    done.stderr.close()


def test_on_a_terminal_it_is_coloured_and_folded(folder: Path) -> None:
    """And nowhere else, unless that is asked for."""
    assert "\x1b[" not in lint("orders.yaml").stdout
    assert "\x1b[1;33m" in lint("orders.yaml", "--color", "always").stdout
    main, other = pty.openpty()
    argv = [*PROGRAM, "lint", "orders.yaml"]
    done = subprocess.Popen(argv, stdout=other, stderr=subprocess.DEVNULL, env=environment(TERM="xterm", COLUMNS="70"))
    os.close(other)
    said = read_terminal(main)
    os.close(main)
    assert done.wait(60) == 1
    assert b"\x1b[1;31m" in said


@pytest.mark.slow
def test_what_takes_long_says_so_on_a_terminal(folder: Path) -> None:
    """After two seconds, on stderr; the line is gone when the first finding is shown."""
    main, other = pty.openpty()
    argv = [*PROGRAM, "lint", "-"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=other, env=environment()) as done:
        os.close(other)
        time.sleep(3.5)
        assert done.stdin is not None
        done.stdin.write(MANIFEST.encode())
        done.stdin.close()
        said = read_terminal(main)
    os.close(main)
    assert b"cgtune: reading manifests ..." in said
    assert b"\r\x1b[K" in said
    assert said.index(b"\r\x1b[K") < said.index(b"1 container: 1 critical, 1 warning")


def strange_names(folder: Path) -> list[str]:
    """Names of files that want to be something else."""
    names = ["-x.yaml", "a b.yaml", "a\x1b[31m.yaml", "a\n::error::b.yaml", "é.yaml", "a:b,c.yaml"]
    for name in names:
        (folder / name).write_text(MANIFEST)
    with open(os.fsencode(folder) + b"/\xff.yaml", "w") as file:
        file.write(MANIFEST)
    return names


@pytest.mark.parametrize("name", ["json", "text", "sarif", "junit", "github", "gitlab"])
def test_names_of_files_steer_nothing(folder: Path, name: str) -> None:
    """Whatever a file is called: the document is valid, and each line of text one line."""
    strange_names(folder)
    done = lint(".", "--format", name)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert "\n::error::b" not in done.stdout
    if name == "sarif":
        validate_sarif(done.stdout)
    if name == "json":
        document: Any = json.loads(done.stdout)
        assert len(document["findings"]) == 16


def test_strange_names_can_be_mended(folder: Path) -> None:
    """They are files as any other."""
    count = len(strange_names(folder)) + 2
    assert f"cgtune: {count} findings mended in {count} files" in lint("--fix", ".").stderr
    assert NUMBER not in lint(".").stdout


def test_the_examples_of_the_help_run(folder: Path) -> None:
    """As they stand there, in a folder that has what they name."""
    (folder / "deploy").mkdir()
    shutil.copy(folder / "orders.yaml", folder / "deploy/orders.yaml")
    said = lint("--help").stdout
    lines = [line.strip() for line in said.splitlines() if "cgtune lint " in line and "helm" not in line and "Usage" not in line]
    assert len(lines) >= 3
    for line in lines:
        for words in line.split(" && "):
            assert lint(*words.split()[2:]).returncode in (0, 1), words


def test_an_input_that_does_not_block_is_waited_for(folder: Path) -> None:
    """What comes late through a pipe that somebody has set to O_NONBLOCK is read as from any other."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    argv, pipe = [*PROGRAM, "lint", "-"], subprocess.PIPE
    with subprocess.Popen(argv, stdin=reading, stdout=pipe, stderr=pipe, text=True, env=environment()) as started:
        os.close(reading)
        content = (folder / "orders.yaml").read_bytes()
        os.write(writing, content[:100])
        time.sleep(0.3)
        os.write(writing, content[100:])
        os.close(writing)
        out, err = started.communicate(timeout=60)
    whole = piped(content.decode(), "-")
    assert (started.returncode, out, err) == (1, whole.stdout, whole.stderr)


def test_a_fix_that_stops_half_way_says_how_far_it_came(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is the old one or the new one; the line tells how many were mended before."""
    from cgtune.system import outputfile

    (folder / "second.yaml").write_text((folder / "orders.yaml").read_text())
    real, begun = outputfile.rewrite_file, list[str]()

    def rewrite(path: str, content: bytes, option: str) -> None:
        begun.append(path)
        if len(begun) == 2:
            raise Unwritable(f"{option} {path!r}: Input/output error; nothing was written, what stood there stands")
        real(path, content, option)

    monkeypatch.setattr(outputfile, "rewrite_file", rewrite)
    monkeypatch.chdir(folder)
    done = inside.run("lint", "--fix", "orders.yaml", "second.yaml")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("cgtune: 1 of 2 files are mended; --fix 'second.yaml': Input/output error")


def test_a_folder_that_could_not_be_listed_once_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in several rounds: what failed in the first one is not forgotten if the last one goes well."""
    real, begun = os.scandir, list[object]()

    def scandir(*words: Any) -> Any:
        begun.append(words)
        if len(begun) == 1:
            raise OSError(5, "Input/output error")
        return real(*words)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.chdir(folder)
    assert "cgtune: .: Input/output error" in inside.run("lint", "--fix").stderr.splitlines()
    assert len(begun) > 1


def test_a_link_that_cannot_be_read_is_not_mended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it leads elsewhere is not known then; a file that is no link is known to be one."""

    def refuse(path: str) -> str:
        raise OSError(5, "Input/output error", path)

    assert is_elsewhere(str(folder / "orders.yaml")) is None
    monkeypatch.setattr(os, "readlink", refuse)
    assert is_elsewhere("link.yaml") == "link.yaml: Input/output error"
