"""What a local image holds: its Go programs, its variables and its command. Pure: files are opened by whoever hands them in.

An archive of `docker save` or `podman save`, an OCI layout (a folder or an archive of one), and the folder of `podman save --format
docker-dir`. Of several platforms that for Linux on amd64 is looked into, or else the first for Linux. Not covered: checksums of layers,
layers that lie elsewhere, and what a program fetches or unpacks when it starts.
"""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.lint.model import Go
from cgtune.manifests.workload import Variable
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Protocol

    from cgtune.manifests.workload import Workload
    from cgtune.runtimes.go.offline import OfflineProgram

    class Parts(Protocol):
        """The files of an archive or folder, by their names in it."""

        def read_json(self, name: str) -> Any:
            """A small file as JSON, None if it is not there. Raises Malformed."""
            ...


_MOST_INDEXES = 8
_MOST_IMAGES = 100  # of one archive
_ATTESTATION = "unknown"  # the platform of what docker buildx puts beside images
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST_WORDS = 64


class Plan(Record):
    """What an archive says of an image. ``layers`` are names of its files, the lowest first."""

    names: tuple[str, ...]
    layers: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    command: tuple[str, ...]
    folder: str


class Image(Record):
    """A local image, looked into. ``programs`` are its Go programs by path; ``unseen`` is what could not be looked into, in words.

    ``names`` are those that it bears itself, ``patterns`` those that somebody gave it; ``links`` are its symbolic and hard links.
    """

    file: str
    names: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    programs: tuple[tuple[str, OfflineProgram], ...] = ()
    links: Mapping[str, str] = {}  # nothing is ever put into it
    variables: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    folder: str = "/"
    unseen: tuple[str, ...] = ()

    def is_named(self, image: str | None) -> bool:
        """Whether a manifest's image is this one, by its name and tag."""
        from fnmatch import fnmatchcase

        if image is None:
            return False
        plain = image.partition("@")[0]
        return any(fnmatchcase(plain, one) for one in self.patterns) or full_name(plain) in {full_name(one) for one in self.names}

    def find_go(self, command: Sequence[str]) -> Go | None:
        """The program that a container of this image runs. None: it holds no Go program; or that cannot be told, as it is ``unseen``."""
        programs = dict(self.programs)
        for words in (command, self.command):
            for path in self._paths(words):
                if path in programs:
                    return Go(program=programs[path], known_from=f"{path} in the image {self.file}")
        if self.unseen:
            return None
        if len({(one.go, one.default_godebug) for one in programs.values()}) == 1:
            path, program = self.programs[0]
            others = f", as {len(programs) - 1} other Go programs in it" if len(programs) > 1 else ", the only Go program in it"
            return Go(program=program, known_from=f"{path} in the image {self.file}{others}")
        if programs:
            return Go(program=None, known_from=f"{len(programs)} Go programs of several versions in the image {self.file}", is_unread=True)
        return None

    def _paths(self, words: Sequence[str]) -> Iterator[str]:
        """Where the words of a command may lead, those of a shell's script too."""
        variables = dict(self.variables)
        for word in [part for whole in words[:_MOST_WORDS] for part in whole.split()[:_MOST_WORDS]]:
            if "/" in word:
                yield self.resolve(word if word.startswith("/") else f"{self.folder}/{word}")
            else:
                for folder in variables.get("PATH", _PATH).split(":"):
                    yield self.resolve(f"{folder}/{word}")

    def resolve(self, path: str) -> str:
        """A path without links, as far as they are known; links in circles are left as they are."""
        done: list[str] = []
        waiting = [part for part in reversed(path.split("/")) if part]
        for _step in range(1000):
            if not waiting:
                break
            part = waiting.pop()
            if part in (".", ".."):
                del done[len(done) - (part == "..") :]
                continue
            done.append(part)
            target = self.links.get("/" + "/".join(done))
            if target is not None:
                done = [] if target.startswith("/") else done[:-1]
                waiting += [one for one in reversed(target.split("/")) if one]
        return "/" + "/".join(done)


def full_name(image: str) -> str:
    """A name as registries know it: what Docker and Podman leave out at its beginning and end is there in all or in none."""
    name = image if image.rfind(":") > image.rfind("/") else f"{image}:latest"
    for start in ("docker.io/library/", "docker.io/", "localhost/"):
        name = name.removeprefix(start)
    return name


def join_image(workload: Workload, image: Image) -> Workload:
    """The workload with what its image sets and the manifest does not."""
    there = {one.name for one in workload.variables}
    place = workload.image_place or workload.place
    added = tuple(
        Variable(name=name, value=value, origin="image", place=place, entry=place, name_place=place)
        for name, value in image.variables
        if name not in there
    )
    return workload.replace(variables=workload.variables + added)


def parse_plans(parts: Parts) -> tuple[Plan, ...]:
    """What an archive or folder says of its images. Raises Malformed for what holds none."""
    listed = parts.read_json("manifest.json")
    if isinstance(listed, list) and listed:
        return tuple(
            _plan(parts, _texts(one.get("RepoTags")), str(one.get("Config")), _texts(one.get("Layers")))
            for one in map(_mapping, listed[:_MOST_IMAGES])
        )
    index = parts.read_json("index.json")
    if isinstance(listed, dict) and "layers" in listed:
        return (_plan_of_manifest(parts, [], listed, ""),)
    if not isinstance(index, dict):
        raise Malformed("it is neither an archive of docker save or podman save nor an OCI layout: no manifest.json, no index.json")
    named = [one for one in map(_mapping, _list(index.get("manifests"))) if _names(one)]
    indexes = [{"manifests": [one]} for one in named[:_MOST_IMAGES]] if len(named) > 1 else [index]
    return tuple(_plan_of_index(parts, one) for one in indexes)


def _names(descriptor: dict[str, Any]) -> list[str]:
    annotations = _mapping(descriptor.get("annotations"))
    return [str(annotations[key]) for key in ("io.containerd.image.name", "org.opencontainers.image.ref.name") if key in annotations]


def _plan_of_index(parts: Parts, index: dict[str, Any]) -> Plan:
    """The image for Linux that an index leads to, by way of an index of platforms if there is one."""
    names: list[str] = []
    for _depth in range(_MOST_INDEXES):
        chosen = _choose([_mapping(one) for one in _list(index.get("manifests"))])
        names += _names(chosen)
        index = _mapping(parts.read_json(_blob(chosen)))
        if "layers" in index:
            return _plan_of_manifest(parts, names, index, "blobs/")
    raise Malformed("its index leads to no image")


def _choose(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    platforms = [_mapping(one.get("platform")) for one in manifests]
    ranked = [
        (platform.get("architecture") not in ("amd64", None), at)
        for at, platform in enumerate(platforms)
        if platform.get("os", "linux") == "linux" and platform.get("architecture") != _ATTESTATION
    ]
    if not ranked:
        raise Malformed("its index names no image for Linux")
    return manifests[min(ranked)[1]]


def _plan_of_manifest(parts: Parts, names: list[str], manifest: dict[str, Any], top: str) -> Plan:
    def where(one: Any) -> str:
        return _blob(_mapping(one)) if top else _blob(_mapping(one)).rpartition("/")[2]

    return _plan(parts, names, where(manifest.get("config")), [where(one) for one in _list(manifest.get("layers"))])


def _plan(parts: Parts, names: list[str], config: str, layers: list[str]) -> Plan:
    said = _mapping(_mapping(parts.read_json(config)).get("config"))
    pairs = [str(one).partition("=") for one in _list(said.get("Env"))]
    return Plan(
        names=tuple(names),
        layers=tuple(layers),
        variables=tuple({name: value for name, equals, value in pairs if equals}.items()),
        command=tuple(str(one) for key in ("Entrypoint", "Cmd") for one in _list(said.get(key))),
        folder=str(said.get("WorkingDir") or "/"),
    )


def _blob(descriptor: dict[str, Any]) -> str:
    algorithm, _, digest = str(descriptor.get("digest")).partition(":")
    if not algorithm.isalnum() or not digest.isalnum():
        raise Malformed("it names a part by no digest")
    return f"blobs/{algorithm}/{digest}"


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    return [str(one) for one in _list(value)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
