"""What ``cgtune lint`` is told of programs: versions by ``--go``, a file by ``--binary``, local images by ``--image``."""

from __future__ import annotations

from cgtune.errors import Malformed, Unreadable, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.lint.goes import Known
    from cgtune.lint.images import Image, Plan
    from cgtune.lint.layers import Stack
    from cgtune.runtimes.go.offline import OfflineProgram
    from cgtune.system.imagefiles import ImageFiles
    from cgtune.system.tarstream import Entry, TarStream

OPTION = "--image"
_ELF = b"\x7fELF"
_EXECUTABLE = 0o111
_MOST_PROGRAMS = 1000


def read_known(go: tuple[str, ...], binary: str | None, images: tuple[str, ...]) -> Known:
    """What these values say. Raises UsageError, and Malformed for a program that is damaged."""
    from cgtune.lint.goes import Known, parse_go_options
    from cgtune.runtimes.go.offline import read_program

    return Known(
        patterns=parse_go_options(go),
        binary=None if binary is None else (binary, read_program(binary)),
        images=tuple(image for value in images for image in read_images(value)),
    )


def read_images(value: str) -> tuple[Image, ...]:
    """The images of ``[NAME=]PATH``. Raises UsageError for what is none; what of one cannot be looked into stands in it, and is told."""
    from cgtune.commands.terminal import complain
    from cgtune.lint.images import parse_plans
    from cgtune.outputs.escape import escape_control
    from cgtune.system.imagefiles import ImageFiles

    pattern, equals, path = value.rpartition("=")
    if equals and not pattern:
        raise UsageError(f"{OPTION} {value!a} names no image; examples: {OPTION} web.tar, {OPTION} 'registry.example/web:*=web.tar'")
    try:
        with ImageFiles(path, OPTION) as files:
            plans = parse_plans(files)
            if not any(plan.names for plan in plans) and not pattern:
                example = f"{OPTION} 'registry.example/web:*={path}'"
                raise UsageError(f"{OPTION} {path!r} does not say which image it is; say it: {example}")
            found = tuple(_read_image(files, plan, path, pattern if len(plans) == 1 else "") for plan in plans)
    except Malformed as error:
        raise UsageError(f"{OPTION} {path!r} is no image that can be read: {error}") from error
    for why in dict.fromkeys(why for image in found for why in image.unseen):
        complain(f"cgtune: {OPTION} {path!r}: {escape_control(why)}\n")
    return found


def _read_image(files: ImageFiles, plan: Plan, path: str, pattern: str) -> Image:
    from cgtune.lint.images import Image

    programs, links, unseen = _look(files, plan)
    return Image(
        file=path,
        names=plan.names,
        patterns=(pattern,) if pattern else (),
        programs=programs,
        links=links,
        variables=plan.variables,
        command=plan.command,
        folder=plan.folder,
        unseen=unseen,
    )


def _look(files: ImageFiles, plan: Plan) -> tuple[tuple[tuple[str, OfflineProgram], ...], dict[str, str], tuple[str, ...]]:
    """Returns (the Go programs by path, the links, what could not be looked into). The highest layer comes first: it hides others."""
    from cgtune.lint.layers import Stack

    stack = Stack()
    found: dict[str, OfflineProgram] = {}
    unseen: list[str] = []
    for layer in reversed(plan.layers):
        stack.begin_layer()
        try:
            for entry, stream in files.read_layer(layer):
                _take(files, stack, found, entry, stream)
        except (Malformed, Unreadable) as error:
            unseen.append(str(error))
    return tuple(sorted(found.items())), stack.links, tuple(unseen)


def _take(files: ImageFiles, stack: Stack, found: dict[str, OfflineProgram], entry: Entry, stream: TarStream) -> None:
    from cgtune.runtimes.go.offline import find_program

    if not stack.take(entry.path, is_folder=entry.kind == "folder", link=entry.link):
        return
    found.pop(entry.path, None)
    if entry.kind != "file" or not entry.mode & _EXECUTABLE or len(found) >= _MOST_PROGRAMS:
        return
    head = stream.read(min(len(_ELF), entry.size))
    if head != _ELF:
        return
    with files.hold(head, stream, entry.size) as read_at:
        try:
            program = find_program(read_at)
        except Malformed:
            return  # a Go program that tells nothing of itself: as good as none
    if program is not None:
        found[entry.path] = program
