"""The documents say what the program does: every command, option and exit code is named, and the examples are run."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cgtune import exits
from tests.support.command import PROGRAM, ROOT, environment
from tests.test_imports import GROUND, TABLE

DOCUMENTS = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if path.exists()]
EXIT_CODES = sorted({code for name, code in vars(exits).items() if isinstance(code, int)})


def _text() -> str:
    return "\n".join(path.read_text() for path in DOCUMENTS)


def _commands() -> Iterator[tuple[str, Any]]:
    """Every command that can be typed, by its full name."""
    from cgtune.commands.options.app import make_app

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        below = getattr(command, "commands", {})
        if not below:
            yield name, command
        for word, inner in below.items():
            yield from walk(f"{name} {word}", inner)

    whole = typer.main.get_command(make_app())
    yield "cgtune", whole
    yield from (row for row in walk("cgtune", whole) if row[1] is not whole)


def _options(command: Any) -> list[str]:
    return [
        word for parameter in command.params if not getattr(parameter, "hidden", False) for word in parameter.opts if word.startswith("--")
    ]


def test_every_command_is_documented() -> None:
    """Each command's full name stands in README.md or docs/."""
    text = _text()
    assert [name for name, _ in _commands() if not re.search(rf"\b{name}\b", text)] == []


def test_every_option_is_documented() -> None:
    """Each option's long name stands in README.md or docs/, written as code."""
    text = _text()
    missing = {
        f"{name} {option}" for name, command in _commands() for option in _options(command) if not re.search(rf"[`\s\[(|]{option}\b", text)
    }
    assert missing == set()


def test_every_option_has_help() -> None:
    """No option of any command is left without a word about it."""
    bare = {f"{name} {p.name}" for name, command in _commands() for p in command.params if p.opts[0].startswith("-") and not p.help}
    assert bare == set()


@pytest.mark.parametrize("code", EXIT_CODES)
def test_every_exit_code_is_documented(code: int) -> None:
    """Each exit code stands in a table row or list of exit codes of its own."""
    assert re.search(rf"^(\| *`?{code}`? *\||[-*] `?{code}`?\b)", _text(), flags=re.MULTILINE), code


def _examples() -> list[tuple[str, str, str]]:
    """Document, command line and shown output, of every console block that is marked as one that runs the same everywhere."""
    found = []
    for path in DOCUMENTS:
        for block in re.findall(r"<!-- runs -->\n```console\n(.*?)```", path.read_text(), flags=re.DOTALL):
            for line, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE):
                found.append((path.name, line, shown))
    return found


def _written_commands() -> list[str]:
    """Every line of a console block that starts cgtune or a script of ours."""
    blocks = re.findall(r"```console\n(.*?)```", _text(), flags=re.DOTALL)
    return [line for block in blocks for line in re.findall(r"^[$#] (.*)$", block, flags=re.MULTILINE)]


def test_the_documents_hold_examples_that_run() -> None:
    """There is something for the next test to do."""
    assert _examples()


@pytest.mark.parametrize(("document", "line", "shown"), _examples())
def test_an_example_prints_what_the_document_shows(document: str, line: str, shown: str) -> None:
    """An example marked as one that runs does, and prints what is shown; "..." stands for anything, on one line or on many."""
    program, *arguments = shlex.split(line)
    argv = {"cgtune": PROGRAM, "scripts/cgtune": PROGRAM}.get(program, (str(ROOT / program),))
    done = subprocess.run([*argv, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment(), check=False)
    pattern = ".*".join(map(re.escape, shown.split("...")))
    assert re.fullmatch(pattern, done.stdout + done.stderr, flags=re.DOTALL), f"{document}: {line}\n{done.stdout}{done.stderr}"


def test_examples_use_options_and_scripts_that_exist() -> None:
    """No example shows an option, a command or a script that is no more."""
    options = {name: {*_options(command), "--help"} for name, command in _commands()}
    wrong = []
    for line in _written_commands():
        words = shlex.split(line, comments=True)
        script = next((word for word in words if re.match(r"(\./)?scripts/", word)), None)
        if script and not (ROOT / script).exists():
            wrong.append(line)
        start = next((place for place, word in enumerate(words) if Path(word).name == "cgtune"), None)
        if start is None or start + 1 == len(words):
            continue
        if words[start + 1] == "--profile":  # which no help names, before a command
            start += 1
        command = f"cgtune {words[start + 1]}" if f"cgtune {words[start + 1]}" in options else "cgtune"
        used = {word.split("=")[0] for word in words[start + 1 :] if word.startswith("--") and word != "--"}
        if not used <= options[command]:
            wrong.append(line)
    assert wrong == []


def test_the_python_example_of_the_readme_runs() -> None:
    """Its lines are true of a recorded Go program, named as the example names one."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    story = ROOT / "fixtures/cgroupfs/v2-bench-swapped-out"
    (pid,) = json.loads((story / "cgtune-snapshot.json").read_text("utf-8"))["pids"]
    names: dict[str, Any] = {}
    setting, *lines = block.replace("pid=4242", f"pid={pid}, root={str(story)!r}").strip().split("\n\n")[1].splitlines()
    exec(f"import cgtune\n{setting}", names)
    cores, size, runtimes = (eval(line, names) for line in lines)
    assert (cores, size, [facts.program.version for facts in runtimes]) == (None, 268435456, ["1.27.3"])


def test_every_twin_is_documented() -> None:
    """Each CGTUNE_* variable that stands for an option is named in README.md or docs/."""
    text = _text()
    twins = {str(parameter.envvar) for _, command in _commands() for parameter in command.params if parameter.envvar}
    assert twins
    assert {twin for twin in twins if not re.search(rf"\b{twin}\b", text)} == set()


def test_each_page_that_is_kept_short_is() -> None:
    """ARCHITECTURE.md fits on one page and GLOSSARY.md into a head: 80 and 120 lines."""
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in ("ARCHITECTURE.md", "GLOSSARY.md")}
    assert lengths["ARCHITECTURE.md"] <= 80
    assert lengths["GLOSSARY.md"] <= 120


def test_the_import_table_of_the_architecture_is_the_one_that_is_held() -> None:
    """ARCHITECTURE.md shows each row of the table that tests/test_imports.py holds."""
    rows = re.findall(r"^\| `(cgtune[\w.]*)` \|[^|]*\|([^|]*)\|$", (ROOT / "ARCHITECTURE.md").read_text(), flags=re.MULTILINE)
    shown = {place: {"".join(found) for found in re.findall(r"`([\w.]+)`( \(types\))?", imports)} for place, imports in rows}
    assert shown == {place: set(allowed) for place, allowed in (TABLE | GROUND).items()}


def _schema_keys(node: object) -> Iterator[str]:
    """Every key that a JSON Schema gives a name."""
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for inner in node.values():
            yield from _schema_keys(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _schema_keys(inner)


def _written_keys() -> Iterator[str]:
    """Every key that the JSON output itself writes."""
    tree = ast.parse((ROOT / "cgtune" / "outputs" / "json.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield from (key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


@pytest.mark.parametrize("source", ["schema", "output"])
def test_every_key_of_the_report_is_documented(source: str) -> None:
    """Each key of the report's JSON Schema, and each that the output writes, stands in docs/report.md as code, alone or behind a dot."""
    text = (ROOT / "docs" / "report.md").read_text()
    schema = ROOT / "cgtune" / "schemas" / "report-v1.schema.json"
    keys = set(_schema_keys(json.loads(schema.read_text())) if source == "schema" else _written_keys())
    assert len(keys) > 50
    assert {key for key in keys if not re.search(rf"[`.]{re.escape(key)}`", text)} == set()


def test_every_key_of_lint_is_documented() -> None:
    """Each key of the schema cgtune/lint/v1, and each that a config may have, stands in docs/lint.md as code."""
    from cgtune.commands.options.lint import CONFIGURED

    text = (ROOT / "docs" / "lint.md").read_text("utf-8")
    keys = {*_schema_keys(json.loads((ROOT / "cgtune/schemas/lint-v1.schema.json").read_text()))} - {"variable", "value", "reason"}
    assert len(keys) > 25
    config = {option.name.removeprefix("--") for option in CONFIGURED} | {"per-path-ignores"}
    assert {key for key in keys | config if f"`{key}`" not in text} == set()


def test_every_key_of_fleet_is_documented() -> None:
    """Each key of the schema cgtune/fleet/v1 stands in docs/fleet.md as code."""
    text = (ROOT / "docs" / "fleet.md").read_text("utf-8")
    keys = {*_schema_keys(json.loads((ROOT / "cgtune/schemas/fleet-v1.schema.json").read_text()))}
    assert len(keys) > 60
    assert {key for key in keys if f"`{key}`" not in text} == set()


_FURTHER = (
    "ARCHITECTURE.md",
    "GLOSSARY.md",
    "CHANGELOG.md",
    "deploy/README.md",
    "deploy/examples/README.md",
    "findings/README.md",
    "fixtures/README.md",
)


@pytest.mark.parametrize("document", [*DOCUMENTS, *(ROOT / name for name in _FURTHER)], ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document leads to a file that exists, and to a heading that is in it."""
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        name, _, heading = link.partition("#")
        page = document.parent / name if name else document
        if "://" not in link and not (page.exists() and (not heading or heading in _headings(page))):
            lost.append(link)
    assert lost == []


def _headings(page: Path) -> list[str]:
    """The headings of a page as links name them: small letters and hyphens, without punctuation."""
    return [
        re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    ]


def test_every_page_is_linked() -> None:
    """A reader who begins with README.md comes to each page of docs/."""
    seen, rest = set[Path](), [ROOT / "README.md"]
    while rest:
        page = rest.pop()
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)(?:#[^)]*)?\)", page.read_text("utf-8"))
        rest += {(page.parent / link).resolve() for link in links if "://" not in link} - seen
    assert set((ROOT / "docs").glob("*.md")) - seen == set()


def test_every_event_of_the_log_is_documented() -> None:
    """docs/serve.md names each event that the service writes."""
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "cgtune" / "service").glob("*.py"))
    said = r"\.say\(\s*\"([a-z-]+)\"", r"\bevent=\"([a-z-]+)\"", r"= \"(process-[a-z]+)\" if", r"else \"(process-[a-z]+)\""
    events = {event for pattern in said for event in re.findall(pattern, sources)}
    assert {"start", "process-came", "process-killed", "oom-kill"} <= events
    text = (ROOT / "docs" / "serve.md").read_text("utf-8")
    assert {event for event in events if f"`{event}`" not in text} == set()


def test_every_known_report_has_its_test() -> None:
    """Each row of docs/known-reports.md names a version of CHANGELOG.md, and tests or stories that are there; they are sorted."""
    rows = [line.split(" | ") for line in (ROOT / "docs" / "known-reports.md").read_text().splitlines() if line.startswith("| ")][1:]
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    for row in rows:
        held = row[-1].rstrip(" |").split(", ")
        assert held, row
        assert re.search(rf"\b{re.escape(row[2])}\b", changes), row
        for name in held:
            if name.startswith("`"):
                assert (ROOT / "fixtures" / "cgroupfs" / name.strip("`")).is_dir(), name
            elif name.endswith(".py"):
                assert (ROOT / name).is_file(), name
            else:
                assert re.search(rf"def {re.escape(name)}\(", sources), name
    names = [re.sub(r"[^a-z0-9]", "", row[0].lower()) for row in rows]
    assert names == sorted(names)
