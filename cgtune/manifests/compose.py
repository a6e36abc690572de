"""Compose files: what each service may use and is given. Pure.

The Compose Specification and compose-go; seen with Docker Compose 2.26.1. A file is one by its structure: `services:` is a mapping, and one
of its mappings has an image, a build, or extends another. `extends`, files of variables, `.env` and an override file beside it are followed
as far as they are in the input. Not covered: `include` (what is included is a file of its own), tmpfs and shm_size, `!reset`.
"""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.manifests.commandline import join_command
from cgtune.manifests.composefields import Layer, read_amounts, read_annotations, read_command, read_image, read_variables
from cgtune.manifests.envfiles import MOST_LETTERS, parse_compose_variables
from cgtune.manifests.places import join_path
from cgtune.manifests.workload import Flaw, Read, Skipped, Workload
from cgtune.manifests.yamltext import Document, entries, find, parse_documents, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.manifests.around import Around
    from cgtune.manifests.interpolation import Lookup
    from cgtune.manifests.places import Beside
    from cgtune.manifests.yamltext import Node

_STEMS = ("compose", "docker-compose")
_ENDS = (".yaml", ".yml")
_MOST_LAYERS = 10


def is_compose(document: Document) -> bool:
    """Whether a document is a Compose file, by its structure."""
    if find(document.root, "kind") is not None:
        return False
    services = [node for _name, _key, node in entries(find(document.root, "services"))]
    return any(find(node, key) is not None for node in services for key in ("image", "build", "extends"))


def read_compose(document: Document, around: Around) -> Read:
    """The services of a Compose file, each a workload. A file that overrides another is read with that one."""
    beside = around.beside
    folder, _, name = document.file.rpartition("/")
    stem, _, _end = name.rpartition(".")
    bases = [f"{stem.removesuffix('.override')}{one}" for one in _ENDS if stem.endswith(".override")]
    base = next((one for one in bases if beside.read(join_path(folder, one)) is not None), None)
    if base is not None:
        return Read(skipped=(Skipped(file=document.file, line=1, why=f"it overrides {base}, and is read with that"),))
    lookup = _read_dotenv(folder, beside)
    project = _Project(beside)
    over = [project.open(join_path(folder, f"{stem}.override{end}")) for end in _ENDS if stem in _STEMS]
    override = next((one for one in over if one is not None), None)
    workloads = []
    for service, key, node in entries(find(document.root, "services")):
        layers, flaws = _follow(Layer(document=document, node=node, folder=folder), service, project)
        above = None if override is None else project.service(override, service)
        if override is not None and above is not None:
            layers += [Layer(document=override, node=above, folder=folder)]
        workloads.append(_workload(service, key, layers, flaws, lookup, beside))
    return Read(workloads=tuple(workloads))


def _read_dotenv(folder: str, beside: Beside) -> Lookup:
    """.env of the project's folder. What the shell has would win, and is not known."""
    text = beside.read(join_path(folder, ".env")) or ""
    try:
        found = {one.name: one.value for one in parse_compose_variables(text[:MOST_LETTERS], lambda _name: None)}
    except Malformed:
        found = {}
    return found.get


class _Project:
    """The files that a Compose file refers to, each opened and gone through once."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self._documents: dict[str, Document | None] = {}
        self._services: dict[str, dict[str, Node]] = {}

    def open(self, file: str) -> Document | None:
        """The first document of a file, None if there is none in the input."""
        if file not in self._documents:
            text = self._beside.read(file)
            documents = () if text is None else parse_documents(file, text)
            self._documents[file] = next((one for one in documents if isinstance(one, Document)), None)
        return self._documents[file]

    def service(self, document: Document, name: str) -> Node | None:
        """A service of a document by its name."""
        if document.file not in self._services:
            self._services[document.file] = {key: node for key, _key, node in entries(find(document.root, "services"))}
        return self._services[document.file].get(name)


def _follow(layer: Layer, service: str, project: _Project) -> tuple[list[Layer], tuple[Flaw, ...]]:
    """Returns (what the service extends, the farthest first, and itself; what of that could not be read)."""
    layers, seen = [layer], {(layer.document.file, service)}
    while (extends := find(layers[0].node, "extends")) is not None:
        top = layers[0]
        name = text_of(extends) or text_of(find(extends, "service")) or ""
        named = text_of(find(extends, "file"))
        document = top.document if named is None else project.open(join_path(top.folder, named))
        node = None if document is None else project.service(document, name)
        if document is None or node is None or (document.file, name) in seen or len(layers) >= _MOST_LAYERS:
            place, written = top.document.place(extends), name if named is None else f"{name} of {named}"
            detail = f"the service {written} is not in the input: what it sets is not known"
            return layers, (Flaw(what="extends", written=written, cause="unread", detail=detail, place=place),)
        seen.add((document.file, name))
        layers.insert(0, Layer(document=document, node=node, folder=document.file.rpartition("/")[0]))
    return layers, ()


def _workload(service: str, key: Node, layers: list[Layer], flaws: tuple[Flaw, ...], lookup: Lookup, beside: Beside) -> Workload:
    document = next(layer.document for layer in layers if layer.document.file)
    amounts = read_amounts(layers, lookup)
    variables = read_variables(layers, lookup, beside)
    command, commanded = read_command(layers, lookup)
    image, image_place = read_image(layers, lookup)
    workload = Workload(
        kind="compose",
        subject=f"service/{service}",
        container=service,
        role="service",
        place=document.place(key),
        document=document.span(0, len(document.text)),
        image=image,
        image_place=image_place,
        cpu_limit=amounts.cpu_limit,
        cpu_request=amounts.cpu_request,
        memory_limit=amounts.memory_limit,
        memory_request=amounts.memory_request,
        cpuset=amounts.cpuset,
        variables=variables.variables,
        unread_variables=variables.unread + tuple(flaw.detail for flaw in flaws),
        command=command,
        command_place=None if commanded is None else commanded.document.place(commanded.node),
        annotations=read_annotations(layers, lookup),
        env_place=variables.place,
        resources_place=amounts.place,
        flaws=flaws + amounts.flaws,
    )
    return (
        workload
        if commanded is None
        else join_command(workload, commanded.document.text, commanded.document.span, commanded.document.start)
    )
