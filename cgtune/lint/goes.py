"""Which containers run Go, and which: what somebody says of them, what their image holds, and what their variables betray. Pure.

The first of these counts: an annotation of the container, one of its object, ``--go`` with a pattern that fits its image, its image (see
``images``), ``--binary``, and ``--go`` without a pattern for what has variables of Go's. Annotations are labels in Compose files and task
definitions; in a unit it is ``go=`` in a section [X-Cgtune].
"""

from __future__ import annotations

from cgtune.errors import UsageError
from cgtune.lint.model import Go
from cgtune.lint.rules.case import GO_VARIABLES
from cgtune.records import Record
from cgtune.runtimes.go.offline import parse_programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cgtune.lint.images import Image
    from cgtune.manifests.workload import Workload
    from cgtune.runtimes.go.offline import OfflineProgram

#: The annotation; for one container of a pod it ends with a point and its name.
ANNOTATION = "cgtune.dev/go"
#: What stands for a version if a container does not run Go, whatever its variables look like.
NO_GO = "none"


class Known(Record):
    """What was said of programs for a whole run. ``patterns`` are (pattern of images, program; None: no Go), the first that fits counts;
    an empty pattern is for all that have variables of Go's.

    ``binary`` is a program and the name of its file; ``images`` are those that could be looked into.
    """

    patterns: tuple[tuple[str, OfflineProgram | None], ...] = ()
    binary: tuple[str, OfflineProgram] | None = None
    images: tuple[Image, ...] = ()


def parse_go_options(values: Sequence[str]) -> tuple[tuple[str, OfflineProgram | None], ...]:
    """``--go IMAGE=VERSION`` or ``--go VERSION``, as patterns and programs. Raises UsageError."""
    found = []
    for value in values:
        pattern, equals, version = value.rpartition("=")
        if equals and not pattern:
            raise UsageError(f"--go {value[:60]!a} names no image; examples: --go 'registry.example/*=1.24', --go 1.24")
        found.append((pattern, _parse(version, f"--go {value[:60]!a}")))
    return tuple(found)


def find_go(workload: Workload, known: Known = Known()) -> Go | None:  # noqa: B008  # records are immutable
    """Which Go a container runs; None: nothing says that it runs Go. A version that cannot be read is none that is known."""
    for name in (f"{ANNOTATION}.{workload.container}", ANNOTATION):
        said = next((one for one in reversed(workload.annotations) if one.name == name), None)
        if said is not None:
            return _annotated(said.value, f"{name} in line {said.place.line}")
    for pattern, program in known.patterns:
        if any(_fits(pattern, name) for name in _names(workload)):
            return None if program is None else Go(program=program, known_from=f"--go {pattern}={program.go}")
    image = next((one for one in known.images if one.is_named(workload.image)), None)
    if image is not None and ((found := image.find_go(workload.command)) is not None or not image.unseen):
        return found
    betrayed = next((name for name in GO_VARIABLES if workload.variable(name) is not None), None)
    is_alone = workload.pod_containers == 1 and workload.kind != "compose"
    if known.binary is not None and (betrayed or is_alone or _runs(workload, known.binary[0])):
        return Go(program=known.binary[1], known_from=f"--binary {known.binary[0]}")
    if betrayed is None:
        return None
    program = next((program for pattern, program in known.patterns if not pattern), None)
    return Go(program=program, known_from=f"its variable {betrayed}" if program is None else f"--go {program.go}")


def join_image(workload: Workload, known: Known) -> Workload:
    """The workload with what its image sets and the manifest does not, if the image is a known one."""
    image = next((one for one in known.images if one.is_named(workload.image)), None)
    if image is None:
        return workload
    from cgtune.lint import images

    return images.join_image(workload, image)


def _annotated(value: str, where: str) -> Go | None:
    try:
        program = _parse(value.strip(), where)
    except UsageError:
        return Go(program=None, known_from=f"{where}, in which {value[:40]!a} is no version of Go", is_unread=True)
    return None if program is None else Go(program=program, known_from=where)


def _parse(version: str, where: str) -> OfflineProgram | None:
    """Raises UsageError for what is neither a version nor "none"."""
    if version == NO_GO:
        return None
    try:
        (program,) = parse_programs(version, None)
    except (UsageError, ValueError) as error:
        raise UsageError(f"{where}: {version[:40]!a} is no version of Go; examples: 1.24, 1.24.3, {NO_GO}") from error
    return program


def _names(workload: Workload) -> Iterator[str]:
    """What a pattern of --go may fit: the image with its tag and without, never its digest; of a unit its program and its own name."""
    if workload.image is not None:
        image = workload.image.partition("@")[0]
        yield image
        yield image[: image.rfind(":")] if image.rfind(":") > image.rfind("/") else image
    elif workload.kind == "systemd":
        yield workload.subject
        yield from workload.command[:1]


def _fits(pattern: str, name: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(name, pattern)


def _runs(workload: Workload, binary: str) -> bool:
    """Whether the container's command, or else its image, bears the name of that file."""
    named = binary.rpartition("/")[2]
    if workload.command:
        return any(word.rpartition("/")[2] == named for word in workload.command[:4])
    return any(name.rpartition("/")[2] == named for name in _names(workload))
