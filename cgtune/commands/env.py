"""The face of ``cgtune env`` below its options: limits in, an env file out.

An init container runs it. If the limits are named, and nothing is said of the program, nothing of the machine is looked at. But where
Kubernetes has filled the limits in, it is the node on which the program will run.
"""

from __future__ import annotations

import os

from cgtune import exits
from cgtune.advice.variables import advise_named
from cgtune.commands.terminal import complain, emit, fail
from cgtune.errors import CgtuneError, UsageError
from cgtune.model import NOBODY, Policy, Whom
from cgtune.outputs.envfile import DIALECTS, render_env, render_reason
from cgtune.records import Record
from cgtune.system.outputfile import parse_mode, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cgtune.advice.named import Here, NamedLimits
    from cgtune.advice.variables import PlannedVariable

# The options that a file of --limits can stand for
_IN_FILES = ("cpu_limit", "memory_limit", "cpu_request", "pod_cpu_limit", "pod_memory_limit", "node_cpus", "node_memory")

#: The kubelet sets it in each container; https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables.
_POD_SIGN = "KUBERNETES_SERVICE_HOST"

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
    whom: Whom = NOBODY
    root: str = "/"
    go: str | None = None
    language: str | None = None
    binary: str | None = None
    cgroup: str | None = None
    always: bool = False
    dialect: str = "kubernetes"
    output: str | None = None
    mode: str = "0644"
    limits: str | None = None
    policy: Policy = Policy()

    @property
    def is_named(self) -> bool:
        """Whether limits are named, rather than to be looked up."""
        return self.limits is not None or (self.cpu_limit, self.memory_limit, self.pod_cpu_limit, self.pod_memory_limit) != (None,) * 4

    @property
    def is_looked_up(self) -> bool:
        """Whether limits are to be looked up, rather than named."""
        return self.self_only or self.is_of_process

    @property
    def is_of_process(self) -> bool:
        """Whether they are those of a process that runs, or of whoever runs in a container or pod."""
        return self.pid is not None or bool(self.whom.words)


class Plan(Record):
    """What the file is to say, and lines about what could not be seen on the way. ``start_ticks``: of the process that was named;
    ``files``: which of the folder with the limits were there.
    """

    variables: tuple[PlannedVariable, ...]
    unseen: tuple[str, ...] = ()
    start_ticks: int | None = None
    files: tuple[str, ...] = ()


def run_env(options: EnvOptions, follow: Callable[[Plan, int], int] | None = None) -> int:
    """Find out, print or write, and give the exit code back: that of ``follow``, if there is one, which goes on from there.

    It gets what was written, and the mode of the file.
    """
    try:
        if not options.is_named and not options.is_looked_up:
            return _refuse_without_limits()
        if options.dialect == "github" and options.output is not None:
            raise UsageError('--dialect github is appended, never written over: leave --output out, and add >> "$GITHUB_ENV"')
        if options.output == "-":
            raise UsageError("--output - would be a file of that name: leave --output out to print, or write ./-")
        mode = parse_mode(options.mode)
        planned = plan_env(options)
        text = render_env(planned.variables, options.dialect)
        unseen = planned.unseen
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
        unseen = (*map(render_reason, planned.variables), *unseen)
    for line in unseen:
        fail(line, exits.CLEAN)
    return exits.CLEAN if follow is None else follow(planned, mode)


def plan_env(options: EnvOptions) -> Plan:
    """The variables for these options, as the limits are now. Raises UsageError and what inspect raises."""
    if options.limits is not None:
        return _plan_by_files(options, options.limits)
    program = {"go": options.go, "language": options.language, "binary": options.binary}
    if not options.is_named:
        if options.self_only and options.is_of_process:
            raise UsageError("--self and --pid exclude each other: --self is this container, --pid (or --container, --pod) another process")
        beside = {"--cpu-request": options.cpu_request, "--node-cpus": options.node_cpus, "--node-memory": options.node_memory}
        if option := next((name for name, text in beside.items() if text is not None), None):
            raise UsageError(f"{option} belongs to limits that are named; leave it out with --self, --pid, --pod, which look all up")
        from cgtune.commands import planning
        from cgtune.outputs.words import note_words

        if options.pid is not None and options.whom.words:
            raise UsageError("--pid names its process already: leave it out, or --container, --pod, --namespace and --command")
        whom = options.whom if options.pid is None else Whom(targets=(str(options.pid),))
        place = planning.plan_for_place(whom, options.policy, root=options.root, always=options.always, **program)
        unseen = tuple(f"not seen: {note.path}: {note_words(note)}" for note in place.notes)
        return Plan(variables=place.variables, unseen=unseen, start_ticks=place.start_ticks)
    if options.is_looked_up:
        which = "--pid and --self look" if not options.whom.words else f"--{options.whom.words[0][0]} looks"
        raise UsageError(f"{which} limits up, and limits were named too (perhaps by a CGTUNE_* variable): give one of both")
    named = _parse_named(options)
    is_capped = named.limit_cores is not None and options.node_cpus is None and _is_filled_in()
    if named.is_as_node or is_capped:
        from cgtune.commands.planning import read_here

        here = read_here(options.root)
        named = _parse_named(options, here)  # equal values prove nothing: a limit of the pod is filled in for both
        if is_capped and here is not None:
            named = named.on_node(here, f"{_POD_SIGN} is set, so this is the node of the pod")
    if all(value is None for value in program.values()):
        return Plan(variables=advise_named(named, None, options.policy, always=options.always))
    from cgtune.commands import planning

    return Plan(variables=planning.plan_for_container(named, options.policy, cgroup=options.cgroup, always=options.always, **program))


def _plan_by_files(options: EnvOptions, folder: str) -> Plan:
    """With what the files of ``--limits`` say now: each bears the name of the option that it stands for."""
    from cgtune.system.limitfiles import read_limit_files

    found = read_limit_files(folder, [name.replace("_", "-") for name in _IN_FILES], "--limits")
    given = {name.replace("-", "_"): text for name, text in found.items()}
    if twice := next((name for name in given if getattr(options, name) is not None), None):
        file = twice.replace("_", "-")
        raise UsageError(f"--{file} is given, and {folder}/{file} says it too: leave one out (perhaps CGTUNE_{twice.upper()})")
    filled = options.replace(limits=None, **given)
    if not filled.is_named:
        raise UsageError(f"--limits {folder!r} holds no limit, only {', '.join(found)}; add a file cpu-limit or memory-limit")
    return plan_env(filled).replace(files=tuple(found))


def _is_filled_in() -> bool:
    """Whether Kubernetes has filled in the CPU limit. A pipeline runs in pods too, and names limits of other places: by options."""
    return bool(os.environ.get(_POD_SIGN)) and any(os.environ.get(name) for name in ("CGTUNE_CPU_LIMIT", "CGTUNE_POD_CPU_LIMIT"))


def _parse_named(options: EnvOptions, here: Here | None = None) -> NamedLimits:
    from cgtune.advice.named import parse_named

    return parse_named(
        here,
        cpu_limit=options.cpu_limit,
        memory_limit=options.memory_limit,
        cpu_request=options.cpu_request,
        pod_cpu_limit=options.pod_cpu_limit,
        pod_memory_limit=options.pod_memory_limit,
        node_cpus=options.node_cpus,
        node_memory=options.node_memory,
        cpu_divisor=options.cpu_divisor,
        memory_divisor=options.memory_divisor,
    )


def _refuse_without_limits() -> int:
    named = "name them with --cpu-limit and --memory-limit, or take one's own with --self, another's with --pid, --container, --pod"
    code = fail(f"whose limits? {named}; in an init container, add to it:", exits.USAGE)
    complain(MANIFEST)
    return code
