"""What the rules of manifests judge: one container as it is written, and the words that several of them need. Pure."""

from __future__ import annotations

from cgtune.lint.model import LintFinding
from cgtune.model import Advice
from cgtune.numbers import format_cpus, format_limit, format_mib
from cgtune.runtimes.go.derived.grammar import NO_LIMIT, parse_gomaxprocs, parse_gomemlimit
from cgtune.runtimes.go.derived.versions import NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.lint.model import Fix, Go, Settings
    from cgtune.manifests.workload import Bytes, Cpus, FieldRef, Place, Variable, Workload
    from cgtune.model import Recommendation, Severity

#: The variables that a Go runtime reads and that cgtune judges.
GO_VARIABLES = ("GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG")


class LintCase:
    """One container. ``go`` None: nothing says that it runs Go. ``text`` is that of its file, without which no fix is made.

    ``mates`` are the other containers that run beside it in its pod, ``recommended`` the value of GOMEMLIMIT that its limits leave.
    """

    def __init__(
        self,
        workload: Workload,
        go: Go | None,
        settings: Settings,
        *,
        text: str | None = None,
        mates: tuple[Workload, ...] = (),
        recommended: tuple[Recommendation, ...] = (),
    ) -> None:
        self.workload, self.go, self.settings, self.text, self.mates = workload, go, settings, text, mates
        self._recommended = {one.name: one for one in recommended}

    # Limits. Kubernetes writes the pod's limit into the cgroup of a container that has none of its own; around others it holds as well.

    @property
    def cpu_limit(self) -> Cpus | None:
        """The CPU limit that holds for it, its own or that of its pod; None: none is written, or what is written limits nothing."""
        own, pod = self.workload.cpu_limit, self.workload.pod_cpu_limit
        return own if own is not None and own.cores is not None else pod if pod is not None and pod.cores is not None else None

    @property
    def memory_limit(self) -> Bytes | None:
        """The memory limit that holds for it, the lesser of its own and its pod's."""
        both = (self.workload.memory_limit, self.workload.pod_memory_limit)
        known = [one for one in both if one is not None and one.size_bytes is not None]
        return min(known, key=lambda one: one.size_bytes or 0, default=None)

    @property
    def around(self) -> str:
        """What is around the container and may have limits for all that is in it."""
        return {"ecs": "task", "systemd": "slice"}.get(self.workload.kind, "pod")

    @property
    def sharers(self) -> int:
        """How many containers its memory limit is for, itself included: that of a pod is for all that have none of their own."""
        limit = self.memory_limit
        if limit is None or limit is not self.workload.pod_memory_limit:
            return 1
        return 1 + sum(mate.memory_limit is None or mate.memory_limit.size_bytes is None for mate in self.mates)

    @property
    def is_memory_unknown(self) -> bool:
        """Whether there may be a memory limit that is not known."""
        return any(one is not None and one.unknown for one in (self.workload.memory_limit, self.workload.pod_memory_limit)) or any(
            flaw.cause == "bad-quantity" for flaw in self.workload.flaws
        )

    @property
    def limit_bytes(self) -> int | None:
        """The memory limit in bytes, None without one."""
        return None if self.memory_limit is None else self.memory_limit.size_bytes

    @property
    def limit_words(self) -> str:
        """The memory limit as it is written, with its line."""
        limit = self.memory_limit
        if limit is None or limit.size_bytes is None:
            return "no memory limit is written"
        whose = f"the {self.around}'s memory limit" if limit is self.workload.pod_memory_limit else "memory limit"
        told = f"{whose} {limit.written} ({self.line(limit.place)}): {limit.size_bytes} bytes ({format_mib(limit.size_bytes)} MiB)"
        if not self.volumes_bytes:
            return told
        mib = -(-self.volumes_bytes // (1 << 20))
        plan = "" if self.settings.policy.outside_bytes is not None else f", which no value here counts: --outside {mib}Mi does"
        return f"{told}; volumes in memory take up to {format_mib(self.volumes_bytes)} MiB of it{plan}"

    @property
    def volumes_bytes(self) -> int:
        """What its memory-backed volumes may take of its memory limit, as far as their sizes are written."""
        return sum(one.size_bytes or 0 for one in self.workload.memory_volumes)

    @property
    def cpu_words(self) -> str:
        """The CPU limit as it is written, with its line, and the node's CPUs if somebody named them."""
        limit, node = self.cpu_limit, self.settings.node.cpus
        beside = "" if node is None else f"; the node has {format_cpus(node)}"
        if limit is None or limit.cores is None:
            return f"no CPU limit is written{beside}"
        whose = f"the {self.around}'s CPU limit" if limit is self.workload.pod_cpu_limit else "CPU limit"
        return f"{whose} {limit.written} ({self.line(limit.place)}): {format_cpus(limit.cores)}{beside}"

    # Variables

    def variable(self, name: str) -> Variable | None:
        """A variable of its environment, as the container gets it."""
        return self.workload.variable(name)

    def field(self, name: str) -> FieldRef | None:
        """The resourceFieldRef from which a variable comes."""
        there = self.variable(name)
        return None if there is None else there.field

    def value(self, name: str) -> str | None:
        """The text that a variable has; None if it is not there, or not known."""
        there = self.variable(name)
        return None if there is None else there.value

    def is_unseen(self, name: str) -> bool:
        """Whether a variable may have a value that the manifest does not tell."""
        there = self.variable(name)
        if there is not None:
            return self.value(name) is None
        return bool(self.workload.unread_variables) or self.is_in_command(name)

    def is_in_command(self, name: str) -> bool:
        """Whether command or arguments mention a variable: a shell may set it."""
        return any(name in word for word in self.workload.command)

    @property
    def gomemlimit(self) -> int | None:
        """GOMEMLIMIT in bytes; None if it is not set, not known, malformed or off."""
        text = self.value("GOMEMLIMIT")
        number = parse_gomemlimit(text, NEWEST) if text else None
        return number if isinstance(number, int) and number < NO_LIMIT else None

    @property
    def gomaxprocs(self) -> int | None:
        """GOMAXPROCS; None if it is not set, not known or ignored by Go."""
        text = self.value("GOMAXPROCS")
        return None if text is None else parse_gomaxprocs(text, NEWEST)

    def recommended(self, name: str) -> int | None:
        """The value that is recommended under these limits, None if none is or if it is better left unset."""
        one = self._recommended.get(name)
        return one.value if one is not None and one.set else None

    def set_memory(self, reason: str) -> tuple[Advice, ...]:
        """Set GOMEMLIMIT to the recommended value, if there is one."""
        value = self.recommended("GOMEMLIMIT")
        return () if value is None else (Advice(variable="GOMEMLIMIT", value=format_limit(value), reason=reason),)

    # Places and words

    def line(self, place: Place) -> str:
        """Where something stands, in words: the file is named if it is another one."""
        return f"line {place.line}" if place.file == self.workload.place.file else f"{place.file}:{place.line}"

    def at(self, variable: Variable) -> Place:
        """Where the wrong value of a variable stands: what stands for a value that Kubernetes fills in is its whole entry."""
        return variable.name_place if variable.field is not None else variable.place

    def variable_words(self, name: str) -> str:
        """What is written of a variable, with its line."""
        there, value = self.variable(name), self.value(name)
        if there is None:
            return f"{name} is not set"
        shown = "is not known before it runs" if value is None else f"is {value[:_MOST_SHOWN]!r}"
        return f"{name} {shown} ({self.line(self.at(there))}{_say_origin(there)})"

    def say_node(self, resource: str) -> str:
        """What the node has to give, which stands in for a limit that is not set, or that nobody named it."""
        node = self.settings.node
        if resource == "cpu":
            shown = None if node.cpus is None else format_cpus(node.cpus)
        else:
            shown = None if node.memory_bytes is None else f"{format_mib(node.memory_bytes)} MiB"
        option = "--node-cpus" if resource == "cpu" else "--node-memory"
        return f"what the node has is not known ({option} says it)" if shown is None else f"the node has {shown}"

    def found(  # noqa: PLR0913  # the fields of a finding
        self,
        rule: str,
        severity: Severity,
        place: Place,
        summary: str,
        *,
        evidence: tuple[str, ...] = (),
        advice: tuple[Advice, ...] = (),
        fix: Fix | None = None,
        is_pedantic: bool = False,
        go: str | None = None,
    ) -> LintFinding:
        """A finding on this container."""
        return LintFinding(
            rule=rule,
            severity=severity,
            place=place,
            subject=self.workload.subject,
            container=self.workload.container,
            summary=summary,
            evidence=tuple(line for line in evidence if line),
            advice=advice,
            fix=fix,
            is_pedantic=is_pedantic,
            source=self.workload.source,
            go=go,
        )


_MOST_SHOWN = 200


def _say_origin(variable: Variable) -> str:
    if variable.field is not None:
        divisor = "no divisor" if variable.field.divisor is None else f"divisor {variable.field.divisor}"
        return f", from {variable.field.resource}, {divisor}"
    return {"config-map": ", from a ConfigMap", "secret": ", from a Secret", "env-file": ", from a file", "image": ", from its image"}.get(
        variable.origin, ""
    )
