"""The face of ``cgtune policy`` below its options: a policy in, the YAML of two objects out."""

from __future__ import annotations

from cgtune import exits
from cgtune.advice.expressions import express_policy
from cgtune.commands.terminal import emit, fail
from cgtune.errors import CgtuneError, UsageError
from cgtune.model import Policy
from cgtune.outputs.admission import Requirement, Scope, render_admission
from cgtune.records import Record

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ANY = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_MODE = 0o644


class PolicyOptions(Record):
    """Which pods are meant, and what is set in them. Texts are as they were typed."""

    name: str
    selector: str
    namespace_selector: str | None = None
    gomaxprocs: bool = False
    output: str | None = None
    policy: Policy = Policy()


def run_policy(options: PolicyOptions) -> int:
    """Print or write both objects, and give the exit code back."""
    try:
        text = render_policy(options)
        if options.output is None:
            emit(text)
        else:
            if options.output == "-":
                raise UsageError("--output - would be a file of that name: leave --output out to print, or write ./-")
            from cgtune.system.outputfile import replace_file

            is_new = replace_file(options.output, text.encode(), _MODE, "--output")
            fail(f"{options.output} {'is written' if is_new else 'says so already'}", exits.CLEAN)
    except UsageError as error:
        return fail(str(error), exits.USAGE)
    except CgtuneError as error:
        return fail(str(error), exits.COULD_NOT_INSPECT)
    return exits.CLEAN


def render_policy(options: PolicyOptions) -> str:
    """The YAML of both objects; raises UsageError for a name or label that Kubernetes would refuse."""
    if not _is_subdomain(options.name):
        raise UsageError(f"--name {options.name[:60]!a} is no name of an object: letters a to z, digits, - and .; example: --name cgtune")
    scope = Scope(
        name=options.name,
        pods=parse_selector(options.selector, "--selector"),
        namespaces=() if options.namespace_selector is None else parse_selector(options.namespace_selector, "--namespace-selector"),
        with_procs=options.gomaxprocs,
    )
    return render_admission(scope, express_policy(options.policy))


def parse_selector(text: str, option: str) -> tuple[Requirement, ...]:
    """`app=shop,tier!=batch,team,!legacy` as kubectl takes it, without its sets; raises UsageError for what is no label."""
    return tuple(_parse_requirement(part.strip(" "), option) for part in text.split(","))


def _parse_requirement(part: str, option: str) -> Requirement:
    for sign, operator in (("!=", "NotIn"), ("==", "In"), ("=", "In")):
        key, found, value = (word.strip(" ") for word in part.partition(sign))
        if found and _is_key(key) and (not value or _is_name(value)):
            return Requirement(key=key, operator=operator, value=value)
    key = part.removeprefix("!")
    if not _is_key(key):
        raise UsageError(
            f"{option} {part[:60]!a} is no KEY=VALUE, KEY!=VALUE, KEY or !KEY of a label; example: {option} cgtune.dev/policy=enabled"
        )
    return Requirement(key=key, operator="Exists" if key == part else "DoesNotExist")


def _is_key(text: str) -> bool:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set."""
    prefix, slash, name = text.rpartition("/")
    return _is_name(name) and (not slash or _is_subdomain(prefix))


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 63 and set(text) <= _ANY | set("-_.") and text[0] in _ANY and text[-1] in _ANY


def _is_subdomain(text: str) -> bool:
    parts = text.split(".")
    return len(text) <= 253 and all(part and set(part) <= _LOWER | {"-"} and part[0] != "-" and part[-1] != "-" for part in parts)
