"""The one record that every reader makes: a container as it is written, each fact with its place. Pure.

Nothing is guessed: what is not known before the container runs is None, and ``unknown`` says why.
"""

from __future__ import annotations

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Role = Literal["container", "init", "sidecar", "service", "unit"]
    Kind = Literal["kubernetes", "compose", "ecs", "systemd"]
    Origin = Literal["literal", "field", "config-map", "secret", "env-file", "file-key", "command", "image"]


#: How many earlier entries of one name are kept.
MOST_HIDDEN = 16


class Place(Record):
    """A span of a file. Lines and columns count from 1, columns in characters; the end is the place behind the last character.

    ``start`` and ``end`` are the same as numbers of characters from the file's beginning; what a fix edits.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    start: int
    end: int


class Cpus(Record):
    """An amount of CPU as it is written and what it comes to.

    ``cores`` None: it limits nothing (0, or null); or it is not known what it comes to, and then ``unknown`` says why.
    """

    written: str
    cores: float | None
    place: Place
    unknown: str | None = None


class Bytes(Record):
    """An amount of memory as it is written and what it comes to.

    ``size_bytes`` None: it limits nothing (0, or null); or it is not known what it comes to, and then ``unknown`` says why.
    """

    written: str
    size_bytes: int | None
    place: Place
    unknown: str | None = None


class FieldRef(Record):
    """A resourceFieldRef: the kubelet fills in ``resource`` of ``container`` (None: of this one) divided by ``divisor``, rounded up.

    ``divisor`` None: none is written (the API server fills in "0", which counts as 1). ``falls_to`` is what stands in for a limit that is
    not set: "pod" (the pod's limit), "node" (the node's allocatable), "request" has no such; None: the limit itself is there.
    ``is_known``: the named container is one of the pod. ``is_refused``: the divisor is none that the API server takes.
    """

    resource: str
    resource_place: Place
    divisor: str | None
    divisor_place: Place | None
    container: str | None
    container_place: Place | None
    falls_to: Literal["pod", "node"] | None
    is_known: bool = True
    is_refused: bool = False


class Variable(Record):
    """One variable as the container gets it. ``value`` None: not known before it runs, ``unknown`` says why.

    ``place`` is that of the value (or of what stands for it), ``entry`` that of the whole entry. ``hides`` are the earlier entries of the
    same name in the same list, which have no effect.
    ``wrong_type``: "number" or "boolean" of a value that is no string, which the API refuses.
    """

    name: str
    value: str | None
    origin: Origin
    place: Place
    entry: Place
    name_place: Place
    field: FieldRef | None = None
    hides: tuple[Place, ...] = ()
    unknown: str | None = None
    wrong_type: str | None = None


class Resize(Record):
    """What happens to the container if its limit of ``resource`` is changed while it runs: "NotRequired" or "RestartContainer".

    ``by`` is what changes it by itself, in words; None: somebody may.
    """

    resource: str
    restart: str
    place: Place
    by: str | None = None


class Annotation(Record):
    """An annotation (or label) of the object or of its pod template."""

    name: str
    value: str
    place: Place


class Flaw(Record):
    """What is written and does not do what it says: ``what`` is the setting, ``cause`` a word that rules know, ``detail`` what happens.

    Causes: "dropped" (the value is refused, and the container runs without it), "bad-quantity" (the API refuses the object), "unread"
    (there is more of it that could not be read, e.g. a file that is not in the input). ``meant`` is how what was meant has to be written,
    None: that is not clear.
    """

    what: str
    written: str
    cause: Literal["dropped", "bad-quantity", "unread"]
    detail: str
    place: Place
    meant: str | None = None


class Workload(Record):
    """One container of one object. ``subject`` is kind, namespace (if it has one) and name: "Deployment/shop/orders".

    ``place`` is that of the container's name. ``source`` is the Helm template it was rendered from. ``command`` is command and args. Limits
    are None if none is written. ``cpuset`` are the CPUs that it may use, their number in ``cores``. ``pod_cpu_limit`` and
    ``pod_memory_limit`` are of what is around the container: its pod, its task (ECS), its slice (systemd); of these Kubernetes alone writes
    them into the cgroup of a container without limits of its own, where Go can read them. ``memory_volumes`` are its memory-backed volumes'
    size limits, which count as its memory. ``pod_containers``: how many containers run at the same time in its pod.
    ``document`` is the span of the document; ``resources_place`` that of its resources, None: there are none.
    """

    kind: Kind
    subject: str
    container: str
    role: Role
    place: Place
    document: Place
    source: str | None = None
    image: str | None = None
    image_place: Place | None = None
    cpu_limit: Cpus | None = None
    cpu_request: Cpus | None = None
    memory_limit: Bytes | None = None
    memory_request: Bytes | None = None
    memory_high: Bytes | None = None
    cpuset: Cpus | None = None
    pod_cpu_limit: Cpus | None = None
    pod_memory_limit: Bytes | None = None
    variables: tuple[Variable, ...] = ()
    unread_variables: tuple[
        str, ...
    ] = ()  # sources of variables that could not be read, in words: "ConfigMap app-settings, which is not in the input"
    command: tuple[str, ...] = ()
    command_place: Place | None = None
    resizes: tuple[Resize, ...] = ()
    memory_volumes: tuple[Bytes, ...] = ()
    pod_containers: int = 1
    annotations: tuple[Annotation, ...] = ()
    env_place: Place | None = None  # where a variable could be added: the list of variables
    resources_place: Place | None = None
    flaws: tuple[Flaw, ...] = ()

    def variable(self, name: str) -> Variable | None:
        """The variable of that name, None if it is not written."""
        return next((one for one in self.variables if one.name == name), None)


class Skipped(Record):
    """What was no workload: a document or file, and why."""

    file: str
    line: int
    why: str
    source: str | None = None


class Read(Record):
    """What came of one document: its workloads, or why there are none."""

    workloads: tuple[Workload, ...] = ()
    skipped: tuple[Skipped, ...] = ()
