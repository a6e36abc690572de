"""The import table of ARCHITECTURE.md, held: who may import whom, which modules stay pure, and what a start may load."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support import stories
from tests.support.command import ROOT, environment

# Who may import what of cgtune, by place: a module, or a folder with all that is below it. The nearest place counts. A place may always
# import itself, and everybody may import GROUND. "(types)": for type checkers only. A permission that nobody uses fails, as does a module
# outside of all places: adding one is a decision about the architecture.
TABLE: dict[str, tuple[str, ...]] = {
    "cgtune": ("api",),
    "cgtune.__main__": ("commands", "runtimes.go.derived.versions"),
    "cgtune.system": (),
    "cgtune.cgroups": ("system.reading", "system.host (types)"),
    "cgtune.runtimes": ("runtimes.go", "system.host (types)"),
    "cgtune.runtimes.kinds": (),
    "cgtune.runtimes.elf": (),
    "cgtune.runtimes.elfsymbols": ("runtimes.elf (types)",),
    "cgtune.runtimes.go": (
        *("runtimes.elf (types)", "runtimes.kinds", "runtimes.go.program", "runtimes.go.derived", "runtimes.go.observed"),
        *("cgroups.kernel", "system.reading", "system.programfile", "system.host (types)"),
    ),
    "cgtune.runtimes.go.program": ("runtimes.elf", "runtimes.elfsymbols"),
    "cgtune.runtimes.go.derived": ("runtimes.go.program (types)", "cgroups.kernel", "cgroups.locate"),
    "cgtune.runtimes.go.observed": ("runtimes.go.program", "runtimes.elf", "runtimes.elfsymbols"),
    "cgtune.machinery": (),
    "cgtune.used": ("cgroups", "system.reading", "system.host (types)"),
    "cgtune.machineview": ("system", "cgroups", "platforms.ecs (types)", "runtimes", "used"),
    "cgtune.process": ("system", "cgroups", "machineview (types)"),
    "cgtune.platforms": ("cgroups.kernel", "machineview (types)"),
    "cgtune.snapshot": ("system", "cgroups", "machineview (types)", "platforms", "process", "machinery", "runtimes", "used"),
    "cgtune.limits": (),
    "cgtune.advice": ("limits", "runtimes.go.derived", "runtimes.go.offline"),
    "cgtune.rules": ("advice", "runtimes.go.derived.procs", "runtimes.go.derived.versions"),
    "cgtune.rates": (),
    "cgtune.verdict": ("rulebook", "rules"),
    "cgtune.measures": ("rules",),
    "cgtune.outputs": (
        *("advice.expressions (types)", "advice.injected"),
        "cgroups.owners",
        "rulebook (types)",
        "advice.upgrade (types)",
        "advice.variables (types)",
        *("fleet.model (types)", "fleet.comparing (types)"),
        "lint.model (types)",
        "manifests.workload (types)",
    ),
    "cgtune.manifests": ("advice.quantities",),
    "cgtune.lint": ("lint.rules", "manifests", "advice", "rules", "rulebook (types)", "runtimes.go.offline"),
    "cgtune.lint.rules": (
        *("lint.model", "lint.edits", "manifests (types)", "advice.quantities"),
        *("runtimes.go.derived.grammar", "runtimes.go.derived.versions"),
    ),
    "cgtune.rulebook": ("rules", "lint.rules"),
    "cgtune.remembered": ("cgroups.owners",),
    "cgtune.fleet": (
        *("cgroups.owners", "advice", "rules"),
        *("runtimes.go.offline", "runtimes.go.program.version", "runtimes.go.derived.versions"),
    ),
    "cgtune.gather": ("machineview (types)", "snapshot", "system"),
    "cgtune.targets": ("cgroups.kernel", "gather", "machinery", "machineview (types)", "snapshot", "system.host (types)"),
    "cgtune.api": (
        "system",
        "cgroups.neighbours",
        "machineview",
        "snapshot",
        "gather",
        "remembered",
        "targets",
        "limits",
        "advice",
        "rates",
        "rules",
        "runtimes",
    ),
    "cgtune.service": ("api", "cgroups", "gather", "remembered", "machineview", "rates", "verdict", "outputs", "system"),
    "cgtune.commands": (
        *("api", "advice", "fleet", "lint", "machineview", "manifests", "measures", "outputs", "remembered", "rulebook", "runtimes"),
        *("system", "targets", "verdict"),
    ),
    "cgtune.commands.options": ("commands", "api", "advice", "outputs", "rulebook", "service", "system.inputfiles"),
}
GROUND: dict[str, tuple[str, ...]] = {
    "cgtune.errors": (),
    "cgtune.exits": (),
    "cgtune.numbers": (),
    "cgtune.records": (),
    "cgtune.model": ("numbers", "records"),
}

# Plug-ins of a shelf do not know each other: of their own folder they import these alone.
SHELVES: dict[str, tuple[str, ...]] = {"cgtune.rules": ("case",), "cgtune.lint.rules": ("case",)}

# Three kinds of modules. These open files and sockets, look at the clock, start programs:
OPENS = ("cgtune.system", "cgtune.service", "cgtune.commands", "cgtune.__main__")
# These read, through a host that they are handed (api makes one for who has none). All others are pure: they name no host.
READS = (
    "cgtune.api",
    "cgtune.gather",
    "cgtune.machineview",
    "cgtune.process",
    "cgtune.snapshot",
    "cgtune.targets",
    "cgtune.used",
    "cgtune.runtimes",
    "cgtune.cgroups.chains",
    "cgtune.cgroups.levels",
    "cgtune.cgroups.neighbours",
    "cgtune.runtimes.go.reader",
    "cgtune.runtimes.go.held",
    "cgtune.runtimes.go.others",
)
TOUCHES_THE_SYSTEM = {
    *("os", "posix", "pathlib", "subprocess", "socket", "time", "io", "shutil", "tempfile", "glob", "fcntl", "mmap", "ctypes", "signal"),
    *("psutil", "multiprocessing", "threading", "asyncio", "urllib", "http"),
}

# Dear to import; the figures are in ARCHITECTURE.md. Inside a function they cost only the command that needs them.
HEAVY = {
    *("typing", "dataclasses", "re", "enum", "pathlib", "json", "datetime", "collections", "functools", "contextlib", "inspect"),
    *("subprocess", "tempfile", "shutil", "logging", "argparse", "typer", "click", "rich", "tabulate", "psutil", "prometheus_client"),
    "yaml",
}
MAY_LOAD_AT_THE_TOP = {
    "cgtune.commands.options.app": {"typer", "typing", "inspect"},  # typer reads the signature and the annotations of a command
    "cgtune.service.journal": {"logging", "json"},  # the service's own, which no other command loads
    "cgtune.service.textfile": {"contextlib"},
    "cgtune.manifests.composing": {"yaml"},  # which is imported inside of functions alone
}

OTHERS = {
    *("typer", "click", "psutil", "tabulate", "rich", "prometheus_client", "waitress", "yaml", "pathspec"),
    *("urllib3", "ijson", "botocore", "opentelemetry", "requests", "google"),
}
THIRD_PARTY = {
    "cgtune.commands.options.app": {"typer", "click"},
    "cgtune.service.listener": {"waitress"},
    "cgtune.service.push": {"opentelemetry", "requests", "google"},
    "cgtune.system.processes": {"psutil"},
    "cgtune.system.promclient": {"urllib3"},
    "cgtune.system.promwords": {"urllib3"},
    "cgtune.system.sigv4": {"botocore"},
    "cgtune.fleet.promjson": {"ijson"},
    "cgtune.outputs.explain": {"tabulate"},
    "cgtune.manifests.composing": {"yaml"},
    "cgtune.system.inputfiles": {"pathspec"},
}


class Import:
    """One import statement's module, and where it stands."""

    def __init__(self, module: str, line: int, *, at_top: bool, for_types: bool) -> None:
        self.module = module
        self.line = line
        self.at_top = at_top
        self.for_types = for_types

    @property
    def package(self) -> str:
        return self.module.split(".")[0]


def _modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "cgtune").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _imports(tree: ast.Module) -> list[Import]:
    """Every import of a file: cgtune's own down to the module, and "cgtune" for a name of the package itself."""
    found: list[Import] = []

    def visit(node: ast.AST, *, at_top: bool, for_types: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(name.name, node.lineno, at_top=at_top, for_types=for_types) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                module = whole if whole in MODULES or whole in TABLE else str(node.module)
                found.append(Import(module, node.lineno, at_top=at_top, for_types=for_types))
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for guarded in node.body:
                visit(guarded, at_top=at_top, for_types=True)
            for otherwise in node.orelse:
                visit(otherwise, at_top=at_top, for_types=for_types)
        else:
            inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for child in ast.iter_child_nodes(node):
                visit(child, at_top=at_top and not inside, for_types=for_types)

    visit(tree, at_top=True, for_types=False)
    return found


def _nearest(module: str, places: Iterable[str]) -> str | None:
    """The longest of ``places`` that the module is, or lies below."""
    return max((place for place in places if module == place or module.startswith(f"{place}.")), key=len, default=None)


def _place(module: str) -> str:
    """The row of a module in TABLE or GROUND. The package's own row is its __init__'s alone: a new module at the top needs one."""
    place = _nearest(module, TABLE | GROUND)
    if place is None or (place == "cgtune" and module != "cgtune"):
        pytest.fail(f"{module} is in no place of the import table: decide what it may import, in ARCHITECTURE.md and here", pytrace=False)
    return place


def _permission(module: str, seen: Import) -> str | None:
    """The permission that lets ``module`` import this of cgtune; "" if it needs none, None if there is none."""
    place = _place(module)
    shelf = SHELVES.get(place)
    if shelf is not None and module != place and _nearest(seen.module, [place]):
        return "" if module.rpartition(".")[2] in shelf or seen.module.removeprefix(f"{place}.") in shelf else None
    itself = seen.module in ("cgtune", module) or (place != "cgtune" and seen.module in MODULES and _place(seen.module) == place)
    if itself or (seen.module in GROUND and module not in GROUND):
        return ""
    rows = (TABLE | GROUND)[place]
    plain = _nearest(seen.module, [f"cgtune.{row}" for row in rows if not row.endswith("(types)")])
    if plain is not None:
        return plain
    return _nearest(seen.module, [f"cgtune.{row.removesuffix(' (types)')}" for row in rows]) if seen.for_types else None


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(), filename=str(MODULES[module]))


@functools.cache
def _imports_of(module: str) -> list[Import]:
    return _imports(_tree(module))


def breaches(module: str, tree: ast.Module) -> list[str]:
    """What a module imports although the table, its purity or the price of a start forbid it."""
    found = []
    opens = _nearest(module, OPENS) is not None
    top = MAY_LOAD_AT_THE_TOP.get(_nearest(module, MAY_LOAD_AT_THE_TOP) or "", set())
    others = THIRD_PARTY.get(_nearest(module, THIRD_PARTY) or "", set())
    for seen in _imports(tree):
        where = f"line {seen.line}: {seen.module}"
        if seen.package == "cgtune":
            if _permission(module, seen) is None:
                found.append(f"{where} is not in the row of {_place(module)}: {(TABLE | GROUND)[_place(module)]}")
            continue
        if seen.for_types:
            continue
        if not opens and seen.package in TOUCHES_THE_SYSTEM:
            found.append(f"{where} touches the system: only {OPENS} may")
        if seen.package in OTHERS and seen.package not in others:
            found.append(f"{where} belongs to another module")
        if seen.at_top and seen.package in HEAVY and seen.package not in top:
            found.append(f"{where} is dear: import it inside the function that needs it")
    if not opens:
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        calls = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        opening = ("open", "__import__", "print", "input")
        found += [f"line {name.lineno}: {name.id}()" for name in names if name.id in opening and id(name) in calls]
        if _nearest(module, READS) is None:
            found += [f"line {name.lineno}: names a Host: only {OPENS} and {READS} may" for name in names if name.id == "Host"]
            found += [f"line {seen.line}: imports a host" for seen in _imports(tree) if seen.module == "cgtune.system.host"]
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_the_table_allows(module: str) -> None:
    """Layers point downwards, shelves do not know each other, nothing imports the face, and pure modules touch nothing."""
    assert breaches(module, _tree(module)) == []


@pytest.mark.parametrize(
    ("module", "text", "because"),
    [
        ("cgtune.cgroups.kernel", "import os", "touches the system"),
        ("cgtune.cgroups.kernel", "def parse_x(text):\n    import time", "touches the system"),
        ("cgtune.cgroups.kernel", "from pathlib import Path", "touches the system"),
        ("cgtune.cgroups.kernel", "def parse_x(path):\n    return open(path)", "open()"),
        ("cgtune.system.host", "import re", "is dear"),
        ("cgtune.system.host", "if True:\n    import json", "is dear"),
        ("cgtune.system.host", "class Host:\n    import json", "is dear"),
        ("cgtune.system.host", "import psutil", "belongs to another module"),
        ("cgtune.limits", "from cgtune.system.host import Host", "not in the row"),
        ("cgtune.limits", "if TYPE_CHECKING:\n    from cgtune.system.host import Host", "not in the row"),
        ("cgtune.api", "from cgtune.commands import check", "not in the row"),
        ("cgtune.api", "import cgtune.commands.options.app", "not in the row"),
        ("cgtune.outputs.table", "from cgtune import runtimes", "not in the row"),
        ("cgtune.outputs.table", "from cgtune.rules import locate_rule", "not in the row"),
        ("cgtune.runtimes.go.derived.derive", "from cgtune.runtimes.go.observed import live", "not in the row"),
        ("cgtune.runtimes.go.observed.live", "from cgtune.runtimes.go.derived import derive", "not in the row"),
        ("cgtune.runtimes.go.derived.derive", "from cgtune.runtimes.go.program.version import GoVersion", "not in the row"),
        ("cgtune.runtimes.go.elsewhere", "from cgtune.rules import gomemlimit_unset", "not in the row"),
        ("cgtune.rules.oom_killed", "from cgtune.rules.memory_shared import SUMMARY", "not in the row"),
        ("cgtune.model", "from cgtune.errors import Malformed", "not in the row"),
        ("cgtune.errors", "from cgtune.records import Record", "not in the row"),
        ("cgtune.cgroups.locate", "if TYPE_CHECKING:\n    from cgtune.system.host import Host", "imports a host"),
        ("cgtune.rules.case", "def judge(host: Host): ...", "names a Host"),
    ],
)
def test_the_check_sees_a_breach(module: str, text: str, because: str) -> None:
    """A line that breaks the rule is found, wherever in the file it stands."""
    found = breaches(module, ast.parse(text))
    assert any(because in breach for breach in found), found


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("cgtune.cgroups.kernel", "from cgtune.model import Quota\nfrom cgtune.errors import Malformed"),
        ("cgtune.cgroups.kernel", "def parse_x(text):\n    import re"),
        ("cgtune.system.host", "import os\ndef read_x():\n    import json"),
        ("cgtune.system.host", "if TYPE_CHECKING:\n    from typing import Self\n    from pathlib import Path"),
        ("cgtune.api", "from cgtune import __version__, limits\nfrom cgtune.runtimes import go"),
        ("cgtune.snapshot", "def read_x(host: Host): ..."),
        ("cgtune.rules.oom_killed", "from cgtune.rules.case import Case"),
        ("cgtune.runtimes.go.derived.derive", "if TYPE_CHECKING:\n    from cgtune.runtimes.go.program.version import GoVersion"),
        ("cgtune.runtimes.go.program.buildinfo", "from cgtune.runtimes.go.program import modinfo\nfrom cgtune.runtimes import elf"),
    ],
)
def test_the_check_lets_the_rest_pass(module: str, text: str) -> None:
    """What the table allows is not a breach."""
    assert breaches(module, ast.parse(text)) == []


def test_each_permission_is_used() -> None:
    """A row allows nothing that no module of its place imports, and nothing at run time that is imported for types alone."""
    used: set[tuple[str, str]] = set()
    for module in MODULES:
        for seen in _imports_of(module):
            if seen.package == "cgtune" and (permission := _permission(module, seen)):
                used.add((_place(module), permission.removeprefix("cgtune.") + (" (types)" if seen.for_types else "")))
    allowed = {(place, row) for place, rows in (TABLE | GROUND).items() for row in rows}
    assert allowed - used == set()


def test_no_two_modules_need_each_other() -> None:
    """The imports of cgtune, types aside, go round in no circle, however long it is."""
    needs = {
        module: {seen.module for seen in _imports_of(module) if seen.module in MODULES and not seen.for_types and seen.module != "cgtune"}
        for module in MODULES
    }
    while leaves := {module for module, others in needs.items() if not others & needs.keys()}:
        needs = {module: others for module, others in needs.items() if module not in leaves}
    assert needs == {}


def unused_definitions(tree: ast.Module) -> list[str]:
    """The private functions, classes and constants at the top of a module that nothing in it uses. A decorator uses what it decorates."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    defined: list[str] = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.decorator_list:
            defined.append(node.name)
        elif isinstance(node, ast.Assign):
            defined += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [name for name in defined if name.startswith("_") and not name.startswith("__") and name not in used]


@pytest.mark.parametrize("module", MODULES)
def test_nothing_private_is_left_over(module: str) -> None:
    """What a change made useless is gone with it: linters see unused imports and variables, but not these."""
    assert unused_definitions(_tree(module)) == []


def test_a_leftover_is_seen() -> None:
    """A method of the same name is no use of it, and neither is its own definition."""
    text = "def _left(): ...\n_OLD = 1\ndef _kept(): ...\nclass C:\n    def _left(self):\n        return self._left() or _kept()"
    assert unused_definitions(ast.parse(text)) == ["_left", "_OLD"]


# Runs cgtune and names on stderr what sys.modules holds beyond what the bare interpreter loads by itself.
_NAME_MODULES = """
import sys
bare = set(sys.modules)
sys.path.insert(0, sys.argv.pop(1))
sys.argv[0] = "cgtune"
from cgtune.__main__ import main
try:
    code = main()
except SystemExit as exit:
    code = exit.code
sys.stderr.write(f"{code or 0} " + " ".join(set(sys.modules) - bare))
"""


def loaded_modules(*arguments: str, **environ: str) -> set[str]:
    """What one run of cgtune imports, beyond what the interpreter imports to do nothing."""
    argv = [sys.executable, "-I", "-c", _NAME_MODULES, str(ROOT), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, env=environment(**environ))
    code, *modules = done.stderr.splitlines()[-1].split()  # exec has a word to say before
    assert (done.returncode, code) == (0, "0"), done.stderr[-2000:]
    return set(modules)


def test_version_loads_nothing() -> None:
    """--version costs the bare interpreter and two small files: nothing else is imported."""
    assert loaded_modules("--version") <= {"__future__", "cgtune", "cgtune.__main__"}


NAMED = {"CGTUNE_CPU_LIMIT": "2500m", "CGTUNE_MEMORY_LIMIT": "512Mi"}


@pytest.mark.parametrize(
    ("arguments", "environ", "looks"),
    [
        (("env",), NAMED, False),
        (("env",), NAMED | {"CGTUNE_GO": "1.27"}, True),
        (("env",), {"CGTUNE_SELF": "1"}, True),
        (("env", "--cpu-limit", "2500m", "--memory-limit=512Mi"), {}, False),
        (("exec", "--", "true"), {"CGTUNE_DRY_RUN": "1"}, True),
        (("exec", "--dry-run", "--", "true"), {}, True),
        (("policy", "--headroom", "20", "--gomaxprocs"), {}, False),
        (("ps",), {}, True),
    ],
    ids=["env", "env for a known Go", "env for itself", "env with flags", "exec", "exec with flags", "policy", "ps"],
)
def test_plain_forms_load_no_library(arguments: tuple[str, ...], environ: dict[str, str], looks: bool) -> None:
    """An init container and an entrypoint start without the command-line library, any rule or report; with limits that are only named
    nothing of the machine is looked at either.
    """
    loaded = loaded_modules(*arguments, **environ)
    assert {name.split(".")[0] for name in loaded} - sys.stdlib_module_names <= {"cgtune"}
    assert loaded & {"typing", "dataclasses", "re", "json", "argparse", "subprocess", "pathlib"} == set()
    beyond = ["commands.options.app", "system.processes"] + ["rules"] * (arguments[0] != "ps")
    beyond += [] if looks else ["runtimes.go.reader", "api", "machineview", "snapshot", "system.host", "system.root"]
    assert not [name for name in loaded if name.startswith(tuple(f"cgtune.{part}" for part in beyond))]


RECORDED = str(stories.STORIES / "v2-ancestor-tighter")

# How many modules a start loads beyond the bare interpreter's, Python's own among them: each costs a hundredth of a bare start.
MOST_LOADED = [
    (("env",), NAMED, 39),
    (("env", "--cpu-limit", "2.5"), {}, 39),
    (("env",), NAMED | {"CGTUNE_GO": "1.27"}, 75),
    (("env", "--pid", "PID"), {}, 92),
    (("exec", "--dry-run", "--", "true"), {}, 78),
    (("ps", "--root", RECORDED), {}, 152),  # on a live machine it hangs on what runs there
    (("inspect", "--pid", "PID", "--format", "json"), {}, 142),
    (("inspect", "--pid", "PID"), {}, 144),
    (("inspect", "--pid", "PID", "--brief"), {}, 145),
    (("check", "--pid", "PID", "--fail-on", "critical"), {}, 141),
    (("policy",), {}, 37),
    (("predict", "--cpu-limit", "2.5"), {}, 124),
]


@pytest.mark.parametrize(
    ("arguments", "environ", "most"), MOST_LOADED, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_a_start_loads_no_more_than_it_did(arguments: tuple[str, ...], environ: dict[str, str], most: int) -> None:
    """The count is the same on every machine, as the time of a start is not."""
    with subprocess.Popen(["sleep", "60"]) as target:
        try:
            loaded = loaded_modules(*(str(target.pid) if word == "PID" else word for word in arguments), **environ)
        finally:
            target.kill()
    assert len(loaded) <= most, sorted(loaded)
    assert loaded & NEVER_LOADED <= (OF_RECORDINGS if RECORDED in arguments else set())


# What a recording's marker is read with.
OF_RECORDINGS = {"re", "json", "enum", "functools", "collections"}

# What the reader of YAML, and pyproject.toml's, load themselves.
OF_YAML = {"re", "typing", "enum", "functools", "collections"}


def test_lint_loads_one_library(tmp_path: Path) -> None:
    """The reader of YAML and no other; the command-line library, other formats and whatever looks at processes stay out."""
    (tmp_path / "pod.yaml").write_text("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: b, image: c}]}}")
    loaded = loaded_modules("lint", str(tmp_path / "pod.yaml"), "--config", "/dev/null")
    packages = {name.split(".")[0] for name in loaded if "cython" not in name}
    assert packages - sys.stdlib_module_names == {"cgtune", "yaml"}
    assert packages & (NEVER_LOADED - OF_YAML) == set()
    beyond = ("commands.options.app", "system.host", "system.root", "system.processes", "machineview", "snapshot", "api", "service")
    assert not [name for name in loaded if name.startswith(tuple(f"cgtune.{part}" for part in beyond))]
    assert {name for name in loaded if name.startswith("cgtune.outputs.lint.")} <= {"cgtune.outputs.lint.words", "cgtune.outputs.lint.text"}


# The commands on one process: beside the standard library they load no package of other people.
MAY_LOAD: tuple[tuple[str, ...], ...] = (
    ("inspect", "--format", "json"),
    ("inspect", "--format=table"),
    ("check", "--format", "text", "--fail-on=critical"),
)
OUTPUTS = {
    "json": {"json", "jsontext", "escape", "rates", "words"},
    "table": {"enforced", "escape", "levels", "layout", "rates", "table", "usage", "words"},
    "text": {"escape", "text", "words"},
}
# The dear modules of the standard library that no such command needs.
NEVER_LOADED = {
    *("re", "json", "typing", "dataclasses", "enum", "functools", "collections", "pathlib", "argparse", "subprocess"),
    "asyncio",
    "concurrent",
    "ctypes",
    "email",
    "http",
    "logging",
    "multiprocessing",
    "socket",
    "ssl",
    "unittest",
    "xml",
}


@pytest.mark.parametrize("arguments", MAY_LOAD, ids=" ".join)
def test_a_command_loads_only_what_it_needs(arguments: tuple[str, ...]) -> None:
    """Of other packages each command loads none, and of cgtune no other format and no other face."""
    command, *options = arguments
    with subprocess.Popen(["sleep", "60"]) as target:
        try:
            loaded = loaded_modules(command, "--pid", str(target.pid), *options)
        finally:
            target.kill()
    packages = {name.split(".")[0] for name in loaded}
    assert packages - sys.stdlib_module_names == {"cgtune"}
    assert packages & NEVER_LOADED == set()
    formats = {name for name in loaded if name.startswith("cgtune.outputs.")}
    assert formats == {f"cgtune.outputs.{name}" for name in OUTPUTS[next(name for name in OUTPUTS if name in " ".join(arguments))]}
    others = ("service.serve", "service", "system.processes", "system.endpoint", "system.capture", "commands.profiling")
    assert loaded & {f"cgtune.{name}" for name in others} == set()
