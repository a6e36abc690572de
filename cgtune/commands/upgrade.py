"""The face of ``cgtune predict --to``: services in, what changes for them with another Go out.

They come from one place: limits that are named, with a version or a program on disk; a list; or processes, live ones or recorded ones.
"""

from __future__ import annotations

from cgtune import exits
from cgtune.advice.comparing import judge_upgrade
from cgtune.advice.upgrade import Service, Upgrade, limited_service
from cgtune.commands.services import read_listed, read_running
from cgtune.commands.showing import show
from cgtune.errors import NoSuchProcess, UsageError
from cgtune.model import Policy, ProcessReport
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cgtune.model import Severity

_NAMED = "these limits"


class UpgradeOptions(Record):
    """Which Go is replaced by which, and where the services come from. ``fail_on`` None: the exit code says nothing of what changes."""

    new_go: str | None
    old_go: str | None = None
    input: str | None = None
    root: str | None = None
    cpu_limit: str | None = None
    memory_limit: str | None = None
    cpu_request: str | None = None
    cpus: int | None = None
    cgroup: str = "v2"
    go: str | None = None
    language: str | None = None
    binary: str | None = None
    env: tuple[str, ...] = ()
    policy: Policy = Policy()
    fail_on: Severity | None = None
    format: str = "table"
    color: str = "auto"


def run_upgrade(options: UpgradeOptions) -> int:
    """Derive and judge each class of services with both versions, say it in one write, and give the exit code back."""
    upgrade = read_upgrade(options)
    show("upgrade", options.format, upgrade, options.color)
    return exits.FINDING if options.fail_on is not None and upgrade.fails(options.fail_on) else exits.CLEAN


def read_upgrade(options: UpgradeOptions) -> Upgrade:
    """What changes. Raises UsageError for options that do not go together and for input that cannot be used, and what inspect raises."""
    new_go = _require_usable(options)
    if options.root is not None:
        return _upgrade_processes(options, new_go)
    from cgtune.advice.prediction import parse_limited, require_room
    from cgtune.advice.services import Target
    from cgtune.runtimes.go.offline import parse_program, read_program, rebuild

    new = parse_program(new_go, options.language, "--to")
    old = new if options.old_go is None else parse_program(options.old_go, options.language, "--from")
    cpus = options.cpus if options.cpus is not None else _own_cpus()
    # All limits, whichever there are: of a list --cpus and --cgroup alone
    limited = parse_limited(
        cpu_limit=options.cpu_limit,
        cpus=cpus,
        memory_limit=options.memory_limit,
        cpu_request=options.cpu_request,
        env=options.env,
        cgroup=options.cgroup,
    )
    target = Target(new_go=new_go, old_go=options.old_go, language=options.language, cpus=cpus, cgroup=limited.cgroup)
    services: Iterable[Service]
    skipped: tuple[str, ...] = ()
    if options.input is not None:
        services, skipped = read_listed(options.input, target, is_node_named=options.cpus is not None)
    else:
        require_room(limited, options.policy)
        if options.binary is not None:
            old = read_program(options.binary)
            new = rebuild(old, new)
        services = (limited_service(_NAMED, limited, old, new),)
    rows = judge_upgrade(services, _judge_by(options.policy))
    return Upgrade(
        old_go=options.old_go, new_go=new_go, rows=rows, cpus=cpus, cgroup=limited.cgroup, is_own_node=options.cpus is None, skipped=skipped
    )


def _require_usable(options: UpgradeOptions) -> str:
    """The version to come; raises UsageError for options that do not go together."""
    if options.new_go is None:
        given = "--from" if options.old_go is not None else "--input" if options.input is not None else "--root"
        raise UsageError(f"{given} asks what changes with another Go: name that with --to, as in --from 1.24 --to 1.27")
    if options.format in ("sarif", "junit"):
        raise UsageError(f"--format {options.format} is not of --to, which has table, json, csv and markdown; example: --format json")
    if options.go is not None:
        raise UsageError(
            "--go names versions to compare: leave it out beside --to, and name the Go of today with --from, as in --from 1.24"
        )
    named: dict[str, object] = {
        "--cpu-limit": options.cpu_limit,
        "--memory-limit": options.memory_limit,
        "--cpu-request": options.cpu_request,
        "--env": options.env or None,
        "--binary": options.binary,
    }
    of_node: dict[str, object] = {
        "--cpus": options.cpus,
        "--from": options.old_go,
        "--cgroup": None if options.cgroup == "v2" else options.cgroup,
    }
    if options.input is not None:
        _refuse_beside("--input, whose services have limits of their own", named | {"--root": options.root})
    elif options.root is not None:
        _refuse_beside("--root, whose processes tell that themselves", named | of_node)
    elif options.binary is not None:
        _refuse_beside("--binary, which tells its own version", {"--from": options.old_go})
    elif options.old_go is None:
        raise UsageError("--to needs the Go of today: name it with --from, as in --from 1.24 --to 1.27, or a program with --binary")
    return options.new_go


def _refuse_beside(what: str, others: Mapping[str, object]) -> None:
    given = next((name for name, value in others.items() if value is not None), None)
    if given is not None:
        raise UsageError(f"{given} does not go with {what}: leave one of them out")


def _judge_by(policy: Policy) -> Callable[[ProcessReport], ProcessReport]:
    from cgtune.api import judge_processes

    return lambda process: judge_processes((process,), policy)[0]


def _own_cpus() -> int:
    from cgtune.machineview import MachineView
    from cgtune.system.host import Host

    with Host() as host:
        return len(MachineView(host).machine.online)


def _upgrade_processes(options: UpgradeOptions, new_go: str) -> Upgrade:
    """Of each Go process below the root; what could not be looked into is said."""
    from cgtune.api import inspect_host
    from cgtune.runtimes.go.offline import parse_program
    from cgtune.system.host import Host

    new = parse_program(new_go, options.language, "--to")
    with Host(options.root or "/") as host:
        try:
            report = inspect_host(host)
        except NoSuchProcess as error:
            raise NoSuchProcess(f"--root {options.root}: there is no process in it that could be judged; name / or a recording") from error
        services, skipped = read_running(host, report, new)
        if not services:
            why = f", {skipped[0]}" if skipped else ""
            raise NoSuchProcess(f"--root {options.root}: there is no Go process in it that could be judged{why}; name / or a recording")
        rows = judge_upgrade(services, _judge_by(options.policy))
    return Upgrade(old_go=None, new_go=new_go, rows=rows, skipped=skipped)
