"""The import table of ARCHITECTURE.md, held: who may import whom, which modules stay pure, and what a start may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import ROOT, environment

# Module, or folder.* for all modules of a folder, or name_* for all that begin so; beside it what it may import of cgtune. BELOW_EVERYBODY
# may be imported by everybody, and their own rows say what they may import. A module without a row fails: adding one is a decision about
# the architecture. A row may stand here before its module does.
TABLE: dict[str, tuple[str, ...]] = {
    "cgtune": ("api",),
    "cgtune.__main__": ("terminal", "cli", "check", "env", "exec"),
    "cgtune.commands.options.app": (
        *("api", "outputs", "snapshot", "terminal", "check", "policy", "rules"),
        *("cli_check", "cli_env", "cli_exec", "cli_predict", "cli_serve", "cli_options"),
    ),
    "cgtune.commands.options.shared": (),
    "cgtune.cli_*": ("api", "check", "cli_options", "env", "exec", "outputs", "policy", "quantities", "serve", "terminal"),
    "cgtune.advice.policy": ("quantities",),
    "cgtune.commands.env": ("named", "outputfile", "outputs", "planning", "terminal", "twins", "variables"),
    "cgtune.commands.exec": ("host", "outputs", "planning", "runtimes", "terminal", "twins", "variables"),
    "cgtune.commands.planning": ("api", "advise", "host", "named", "prediction", "runtimes", "snapshot", "variables"),
    "cgtune.commands.twins": (),
    "cgtune.commands.check": ("api", "host", "measures", "outputs", "terminal", "twins", "verdict"),
    "cgtune.verdict": ("rules",),
    "cgtune.measures": ("rules",),
    "cgtune.commands.terminal": ("outputs.escape",),
    "cgtune.api": (
        "host",
        "capture",
        "endpoint",
        "programfile",
        "snapshot",
        "limits",
        "advise",
        "advise_memory",
        "prediction",
        "runtimes",
        "rules",
        "processes",
    ),
    "cgtune.system.host": ("root", "recording", "unpack"),
    "cgtune.system.root": (),
    "cgtune.system.recording": (),
    "cgtune.system.unpack": ("recording",),
    "cgtune.system.replace": (),
    "cgtune.system.programfile": ("root",),
    "cgtune.service.serve": ("host", "outputs", "service", "verdict"),
    "cgtune.service.follow": ("api", "host", "snapshot", "service.windows"),
    "cgtune.service.windows": ("verdict",),
    "cgtune.service": (),
    "cgtune.service.*": ("service", "outputs", "outputfile"),
    "cgtune.system.outputfile": (),
    "cgtune.system.processes": (),
    "cgtune.system.endpoint": (),
    "cgtune.system.capture": ("host", "recording", "replace", "root"),
    "cgtune.snapshot": ("host", "reading", "chains", "levels", "locate", "kernel", "containers", "runtimes"),
    "cgtune.system.reading": ("host",),
    "cgtune.cgroups.chains": ("host", "reading", "locate", "kernel"),
    "cgtune.cgroups.levels": ("host", "reading", "chains", "locate", "kernel"),
    "cgtune.cgroups.kernel": (),
    "cgtune.cgroups.containers": (),
    "cgtune.runtimes.elf": (),
    "cgtune.runtimes.elfsymbols": ("elf",),
    "cgtune.cgroups.locate": (),
    "cgtune.limits": (),
    "cgtune.advice.advise": ("advise_memory", "advise_procs"),
    "cgtune.advise_*": (),
    "cgtune.advice.quantities": (),
    "cgtune.advice.named": ("quantities",),
    "cgtune.advice.variables": ("advise", "advise_memory", "advise_procs", "named", "runtimes"),
    "cgtune.advice.prediction": ("limits", "quantities", "runtimes"),
    "cgtune.runtimes": ("runtimes",),
    # these two are handed a host
    "cgtune.runtimes.go.reader": ("host", "reading", "runtimes.go", "elf"),
    "cgtune.runtimes.go.held": ("host", "reading", "kernel", "runtimes.go"),
    "cgtune.runtimes.go.derived.ownview": ("kernel", "locate"),
    "cgtune.runtimes.go.*": ("runtimes.go", "elf", "elfsymbols"),
    "cgtune.rules": ("rules",),
    "cgtune.rules.case": ("advise_memory", "advise_procs"),
    "cgtune.rules.*": ("rules.case", "advise_memory", "advise_procs"),
    "cgtune.outputs": ("outputs",),
    "cgtune.outputs.escape": (),
    "cgtune.outputs.json": ("outputs.escape",),
    "cgtune.outputs.table": ("outputs.escape", "outputs.json"),
    "cgtune.outputs.explain": ("rules",),  # for types alone
    "cgtune.outputs.ps": ("outputs.escape", "outputs.table"),
    "cgtune.outputs.predict": ("outputs.escape", "outputs.json", "outputs.table"),
    "cgtune.outputs.envfile": ("outputs.escape", "variables"),
    "cgtune.outputs.*": ("outputs.escape", "outputs.text"),
}
BELOW_EVERYBODY: dict[str, tuple[str, ...]] = {
    "cgtune.records": (),
    "cgtune.model": ("records",),
    "cgtune.errors": (),
    "cgtune.numbers": (),
}

# Everything but these receives its facts as text or bytes.
IMPURE = (
    "cgtune.commands.terminal",
    "cgtune.commands.check",
    "cgtune.commands.options.check",
    "cgtune.commands.options.env",
    "cgtune.commands.options.exec",
    "cgtune.commands.env",
    "cgtune.commands.exec",
    "cgtune.system.outputfile",
    "cgtune.commands.options.shared",
    "cgtune.commands.options.predict",
    "cgtune.system.host",
    "cgtune.system.root",
    "cgtune.system.unpack",
    "cgtune.system.replace",
    "cgtune.system.programfile",
    "cgtune.system.processes",
    "cgtune.system.endpoint",
    "cgtune.commands.options.app",
    "cgtune.__main__",
    "cgtune.service.serve",
    "cgtune.commands.options.serve",
    "cgtune.service.board",
    "cgtune.service.web",
    "cgtune.service.listener",
    "cgtune.service.textfile",
    "cgtune.service.journal",
)
TOUCHES_THE_SYSTEM = {
    *("os", "posix", "pathlib", "subprocess", "socket", "time", "io", "shutil", "tempfile", "glob", "fcntl", "mmap", "ctypes", "signal"),
    *("psutil", "multiprocessing", "threading", "asyncio", "urllib", "http"),
}

# Dear to import; the figures are in ARCHITECTURE.md. Inside a function they cost only the command that needs them.
HEAVY = {
    *("typing", "dataclasses", "re", "enum", "pathlib", "json", "datetime", "collections", "functools", "contextlib", "inspect"),
    *("subprocess", "tempfile", "shutil", "logging", "argparse", "typer", "click", "rich", "tabulate", "psutil", "prometheus_client"),
}
# Their commands are typer's, and typer reads their annotations.
_FACES = (
    "cgtune.commands.options.app",
    "cgtune.commands.options.shared",
    "cgtune.commands.options.predict",
    "cgtune.commands.options.check",
    "cgtune.commands.options.env",
    "cgtune.commands.options.exec",
    "cgtune.commands.options.serve",
)
MAY_LOAD_AT_THE_TOP = {face: {"typer", "typing"} for face in _FACES} | {
    "cgtune.service.journal": {"logging", "json"},  # the service's own, which no other command loads
    "cgtune.service.textfile": {"contextlib"},
}

OTHERS = {"typer", "click", "psutil", "tabulate", "rich", "prometheus_client", "waitress"}
THIRD_PARTY = {
    "cgtune.commands.options.app": {"typer", "click"},
    "cgtune.commands.options.check": {"typer"},
    "cgtune.commands.options.env": {"typer"},
    "cgtune.commands.options.exec": {"typer"},
    "cgtune.commands.options.shared": {"typer"},
    "cgtune.commands.options.predict": {"typer"},
    "cgtune.commands.options.serve": {"typer"},
    "cgtune.service.listener": {"waitress"},
    "cgtune.outputs.prometheus": {"prometheus_client"},
    "cgtune.system.processes": {"psutil"},
    "cgtune.outputs.table": {"tabulate"},
    "cgtune.outputs.ps": {"tabulate"},
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


def _row(module: str) -> tuple[str, ...]:
    """The row of a module: its own, or that of the nearest folder."""
    rows = TABLE | BELOW_EVERYBODY
    if module in rows:
        return rows[module]
    if f"{module.partition('_')[0]}_*" in rows:
        return rows[f"{module.partition('_')[0]}_*"]
    folder = module
    while folder:
        if f"{folder}.*" in rows:
            return rows[f"{folder}.*"]
        folder = folder.rpartition(".")[0]
    pytest.fail(f"{module} is not in the import table: decide what it may import, in ARCHITECTURE.md and here", pytrace=False)


def _is_below(module: str, places: tuple[str, ...]) -> bool:
    return any(module == f"cgtune.{place}" or module.startswith(f"cgtune.{place}.") for place in places)


def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(), filename=str(MODULES[module]))


def breaches(module: str, tree: ast.Module) -> list[str]:
    """What a module imports although the table, its purity or the price of a start forbid it."""
    may = _row(module)
    found = []
    for seen in _imports(tree):
        where = f"line {seen.line}: {seen.module}"
        if seen.package == "cgtune":
            common = seen.module in BELOW_EVERYBODY and module not in BELOW_EVERYBODY
            if not (common or seen.module in ("cgtune", module) or _is_below(seen.module, may)):
                found.append(f"{where} is not in its row of the table {may}")
            continue
        if seen.for_types:
            continue
        if module not in IMPURE and seen.package in TOUCHES_THE_SYSTEM:
            found.append(f"{where} touches the system: only {IMPURE} may")
        if seen.package in OTHERS and seen.package not in THIRD_PARTY.get(module, ()):
            found.append(f"{where} belongs to another module")
        if seen.at_top and seen.package in HEAVY and seen.package not in MAY_LOAD_AT_THE_TOP.get(module, ()):
            found.append(f"{where} is dear: import it inside the function that needs it")
    if module not in IMPURE:
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
        found += [f"line {call.lineno}: {call.func.id}()" for call in calls if call.func.id in ("open", "__import__", "print", "input")]  # type: ignore[attr-defined]  # a Name, see above
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
        ("cgtune.limits", "from cgtune.host import Host", "not in its row"),
        ("cgtune.limits", "if TYPE_CHECKING:\n    from cgtune.host import Host", "not in its row"),
        ("cgtune.api", "from cgtune import cli", "not in its row"),
        ("cgtune.api", "import cgtune.cli", "not in its row"),
        ("cgtune.outputs.table", "from cgtune import runtimes", "not in its row"),
        ("cgtune.outputs.json", "import cgtune.outputs.table", "not in its row"),
        ("cgtune.runtimes.go.elsewhere", "from cgtune.rules import gomemlimit_unset", "not in its row"),
        ("cgtune.model", "from cgtune.errors import Malformed", "not in its row"),
        ("cgtune.errors", "from cgtune.records import Record", "not in its row"),
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
        ("cgtune.runtimes.go.program.buildinfo", "from cgtune.runtimes.go import strings\nfrom cgtune import elf"),
    ],
)
def test_the_check_lets_the_rest_pass(module: str, text: str) -> None:
    """What the table allows is not a breach."""
    assert breaches(module, ast.parse(text)) == []


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
        (("exec", "--", "true"), {"CGTUNE_DRY_RUN": "1"}, True),
    ],
    ids=["env", "env for a known Go", "env for itself", "exec"],
)
def test_plain_forms_load_no_library(arguments: tuple[str, ...], environ: dict[str, str], looks: bool) -> None:
    """An init container and an entrypoint start without the command-line library, any rule or report; with limits that are only named
    nothing of the machine is looked at either.
    """
    loaded = loaded_modules(*arguments, **environ)
    assert {name.split(".")[0] for name in loaded} - sys.stdlib_module_names <= {"cgtune"}
    assert loaded & {"typing", "dataclasses", "re", "json", "argparse", "subprocess", "pathlib"} == set()
    beyond = ("rules", "cli", "processes") if looks else ("rules", "cli", "processes", "runtimes", "api", "snapshot", "host", "root")
    assert not [name for name in loaded if name.startswith(tuple(f"cgtune.{part}" for part in beyond))]


# What each command may load of other people's packages, beside the standard library. typer brings its own copy of click, and these two.
TYPER = {"typer", "annotated_doc", "shellingham"}
MAY_LOAD: dict[tuple[str, ...], set[str]] = {
    ("inspect", "--format", "json"): TYPER,
    ("inspect", "--format", "table"): TYPER | {"tabulate"},
}
OUTPUTS = {"json": {"json", "escape"}, "table": {"json", "escape", "table"}}
TABULATE_ASKS_ITS_VERSION = {"email", "socket"}  # through importlib.metadata

# What typer needs of the standard library is a good half of a start already; these are the dear modules that it does not need.
NEVER_LOADED = {
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
    """Of other packages each command loads those of its list, and of cgtune no other format and no other face."""
    command, *options = arguments
    with subprocess.Popen(["sleep", "60"]) as target:
        try:
            loaded = loaded_modules(command, "--pid", str(target.pid), *options)
        finally:
            target.kill()
    packages = {name.split(".")[0] for name in loaded}
    assert packages - sys.stdlib_module_names - {"cgtune"} <= MAY_LOAD[arguments]
    assert packages & NEVER_LOADED <= (TABULATE_ASKS_ITS_VERSION if "tabulate" in packages else set())
    formats = {name for name in loaded if name.startswith("cgtune.outputs.")}
    assert formats == {f"cgtune.outputs.{name}" for name in OUTPUTS[arguments[-1]]}
    assert (
        loaded & {"cgtune.service.serve", "cgtune.service", "cgtune.system.processes", "cgtune.system.endpoint", "cgtune.system.capture"}
        == set()
    )
