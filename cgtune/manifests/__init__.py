"""What is written of containers where decisions are made: manifests, Compose files, task definitions, units. Readers make workloads of it.

Nothing here judges. A reader takes one document, and gives a Workload for each container that it tells of.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cgtune.manifests.around import Around
    from cgtune.manifests.streams import Part
    from cgtune.manifests.workload import Read
    from cgtune.manifests.yamltext import Document

    #: Whether a document is of that kind; the reader of it.
    Reader = tuple[Callable[[Document], bool], Callable[[Document, Around], Read]]


_SUFFIXES = (".yaml", ".yml", ".json")


def is_manifest(file: str) -> bool:
    """Whether a file may be one of these by its name, as far as folders are searched for them."""
    return file.endswith(_SUFFIXES) or _is_unit(file)


def read_text(file: str, text: str | Iterable[str], around: Around | None = None) -> Iterator[Read]:
    """What each document of a file tells, in their order, one by one. ``text`` may come in pieces.

    ``around`` has gone through the whole input before (Around.collect); None: the text is all there is, and comes as a whole.
    """
    from cgtune.manifests.around import Around
    from cgtune.manifests.streams import split_parts

    if around is None:
        text = text if isinstance(text, str) else "".join(text)
        around = Around()
        around.collect(file, text)
    if not file.endswith(_SUFFIXES) and _is_unit(file):
        from cgtune.manifests.systemd import read_unit

        yield read_unit(file, text if isinstance(text, str) else "".join(text), around.beside)
        return
    for part in split_parts(file, text):
        yield from _read_part(part, around)


def load_readers() -> tuple[Reader, ...]:
    """The shelf: who reads what, the first that knows a document."""
    from cgtune.manifests import compose, ecs, kubernetes

    return (
        (kubernetes.is_object, kubernetes.read_object),
        (compose.is_compose, compose.read_compose),
        (ecs.is_task, ecs.read_tasks),
    )


def _is_unit(file: str) -> bool:
    from cgtune.manifests.systemd import is_unit

    return is_unit(file)


def _read_part(part: Part, around: Around) -> Iterator[Read]:
    from cgtune.manifests.skipping import describe, describe_unparsed
    from cgtune.manifests.workload import Read, Skipped
    from cgtune.manifests.yamltext import Multiplied, Unreadable, parse_part

    unparsed = describe_unparsed(part)
    if unparsed is not None:
        yield Read(skipped=(unparsed,))
        return
    for document in parse_part(part):
        if isinstance(document, Unreadable):
            why = "a template: it is judged when it is rendered (helm template)" if "{{" in part.text else document.why
            yield Read(skipped=(Skipped(file=part.file, line=document.line, why=why),))
            continue
        for one in document.split():
            read = next((read for knows, read in load_readers() if knows(one)), None)
            try:
                yield read(one, around) if read is not None else Read(skipped=(describe(one),))
            except Multiplied as error:
                yield Read(skipped=(Skipped(file=part.file, line=one.place(one.root).line, why=str(error), source=one.source),))
