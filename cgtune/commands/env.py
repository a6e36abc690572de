"""The face of ``cgtune env`` below its options: limits in, an env file out.

An init container runs it in its plain form: without arguments, all options in CGTUNE_* variables. That form does not load the command-line
library; what it does not understand at once it leaves to the full face, which knows the words for it.
"""

from __future__ import annotations

from cgtune import exits
from cgtune.advice.variables import plan_named
from cgtune.commands.terminal import complain, emit, fail
from cgtune.commands.twins import one_of, parse_flag, parse_pid, parse_text, parse_twins
from cgtune.errors import CgtuneError, UsageError
from cgtune.model import Policy
from cgtune.outputs.envfile import DIALECTS, render_env, render_reason
from cgtune.records import Record
from cgtune.system.outputfile import parse_mode, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cgtune.advice.variables import Variable
    from cgtune.commands.twins import Twins

_NAMES = (
    *("cpu_limit", "memory_limit", "cpu_request", "pod_cpu_limit", "pod_memory_limit"),
    *("node_cpus", "node_memory", "cpu_divisor", "memory_divisor"),
)
_LIMITS = ("cpu_limit", "memory_limit", "pod_cpu_limit", "pod_memory_limit")
_BESIDE = ("cpu_request", "node_cpus", "node_memory")

#: What an init container needs in its manifest to know the limits of the container "app".
MANIFEST = """\
env:
  - name: CGTUNE_CPU_DIVISOR
    value: 1m
  - name: CGTUNE_CPU_LIMIT
    valueFrom: {resourceFieldRef: {containerName: app, resource: limits.cpu, divisor: 1m}}
  - name: CGTUNE_MEMORY_DIVISOR
    value: "1"
  - name: CGTUNE_MEMORY_LIMIT
    valueFrom: {resourceFieldRef: {containerName: app, resource: limits.memory}}
"""


class EnvOptions(Record):
    """Whose limits, which Go, and where the result goes. Texts are as they were typed; None: not given."""

    cpu_limit: str | None = None
    memory_limit: str | None = None
    cpu_request: str | None = None
    pod_cpu_limit: str | None = None
    pod_memory_limit: str | None = None
    node_cpus: str | None = None
    node_memory: str | None = None
    cpu_divisor: str | None = None
    memory_divisor: str | None = None
    pid: int | None = None
    self_only: bool = False
    root: str = "/"
    go: str | None = None
    language: str | None = None
    binary: str | None = None
    cgroup: str | None = None
    always: bool = False
    dialect: str = "kubernetes"
    output: str | None = None
    mode: str = "0644"
    policy: Policy = Policy()

    @property
    def is_named(self) -> bool:
        """Whether limits are named, rather than to be looked up."""
        return any(getattr(self, name) is not None for name in _LIMITS)


def run_env(options: EnvOptions) -> int:
    """Find out, print or write, and give the exit code back."""
    try:
        if not options.is_named and options.pid is None and not options.self_only:
            return _refuse_without_limits()
        if options.dialect == "github" and options.output is not None:
            raise UsageError('--dialect github is appended, never written over: leave --output out, and add >> "$GITHUB_ENV"')
        if options.output == "-":
            raise UsageError("--output - would be a file of that name: leave --output out to print, or write ./-")
        mode = parse_mode(options.mode)
        variables, unseen = _plan(options)
        text = render_env(variables, options.dialect)
        if options.output is None:
            emit(text)
        else:
            is_new = replace_file(options.output, text.encode(), mode, "--output")
            unseen = (*unseen, f"{options.output} {'is written' if is_new else 'says so already'}")
    except UsageError as error:
        return fail(str(error), exits.USAGE)
    except CgtuneError as error:
        return fail(str(error), exits.COULD_NOT_INSPECT)
    if options.output is not None or not DIALECTS[options.dialect].comments:
        unseen = (*map(render_reason, variables), *unseen)
    for line in unseen:
        fail(line, exits.CLEAN)
    return exits.CLEAN


def _plan(options: EnvOptions) -> tuple[tuple[Variable, ...], tuple[str, ...]]:
    """The variables, and lines about what could not be seen on the way."""
    program = {"go": options.go, "language": options.language, "binary": options.binary}
    if not options.is_named:
        if options.self_only and options.pid is not None:
            raise UsageError("--self and --pid exclude each other: --self is this container, --pid another process")
        if beside := next((name for name in _BESIDE if getattr(options, name) is not None), None):
            option = f"--{beside.replace('_', '-')}"
            raise UsageError(f"{option} belongs to limits that are named; leave it out with --self and --pid, which look all up")
        from cgtune.commands import planning
        from cgtune.outputs.words import note_words

        variables, notes = planning.plan_here(options.pid, options.policy, root=options.root, always=options.always, **program)
        return variables, tuple(f"not seen: {note.path}: {note_words(note)}" for note in notes)
    if options.self_only or options.pid is not None:
        raise UsageError("--pid and --self look limits up, and limits were named too (perhaps by a CGTUNE_* variable): give one of both")
    from cgtune.advice.named import parse_named

    named = parse_named(**{name: getattr(options, name) for name in _NAMES})
    if all(value is None for value in program.values()):
        return plan_named(named, None, options.policy, always=options.always), ()
    from cgtune.commands import planning

    return planning.plan_named(named, options.policy, cgroup=options.cgroup, always=options.always, **program), ()


def _refuse_without_limits() -> int:
    what = "whose limits? name them with --cpu-limit and --memory-limit, or take one's own with --self, a process's with --pid"
    code = fail(f"{what}; in an init container, add to it:", exits.USAGE)
    complain(MANIFEST)
    return code


def parse_environment(environ: Mapping[str, str]) -> EnvOptions | None:
    """The options of the plain form; None where a variable is not one of ours, or its value not the plainest one."""
    fields = parse_twins(environ, _TWINS)
    return None if fields is None else EnvOptions(**fields)  # type: ignore[arg-type]  # each has the type of the field it is named for


_TEXTS = (*_NAMES, "go", "language", "binary", "root", "output", "mode")
_TWINS: Twins = {f"CGTUNE_{name.upper()}": (name, parse_text) for name in _TEXTS} | {
    "CGTUNE_PID": ("pid", parse_pid),
    "CGTUNE_SELF": ("self_only", parse_flag),
    "CGTUNE_ALWAYS": ("always", parse_flag),
    "CGTUNE_CPU_DIVISOR": ("cpu_divisor", one_of(("1", "1m"))),
    "CGTUNE_CGROUP": ("cgroup", one_of(("v1", "v2"))),
    "CGTUNE_DIALECT": ("dialect", one_of(tuple(DIALECTS))),
}
