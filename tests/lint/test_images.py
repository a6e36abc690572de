"""Local images: which one a manifest means, which program a container of it runs, and what hides what in its layers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import Malformed
from cgtune.lint.images import Image, parse_plans
from cgtune.lint.layers import Stack
from cgtune.runtimes.go.offline import OfflineProgram, parse_programs

DIGEST = "sha256:" + "a" * 64
BLOB = "blobs/sha256/" + "a" * 64
CONFIG = {"config": {"Env": ["A=1", "B", "C=2=3"], "Entrypoint": ["/web"], "Cmd": ["--port"], "WorkingDir": "/srv"}}
MANIFEST = {"config": {"digest": "sha256:c0"}, "layers": [{"digest": "sha256:01"}, {"digest": "sha256:02"}]}


def _programs(*versions: str) -> tuple[OfflineProgram, ...]:
    return parse_programs(",".join(versions), None)


def _image(**fields: Any) -> Image:
    return Image(**({"file": "web.tar", "names": ("localhost/web:1", "docker.io/library/old")} | fields))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("web:1", True),
        ("localhost/web:1", True),
        ("web:1@sha256:ab", True),
        ("web", False),
        ("web:2", False),
        ("registry.example/web:1", False),
        ("old", True),
        ("old:latest", True),
        ("docker.io/old:latest", True),
        (None, False),
    ],
)
def test_which_image_is_meant(image: str | None, expected: object) -> None:
    """By its name and tag; what Docker and Podman leave out of a name does not count."""
    assert _image().is_named(image) is expected


def test_a_name_that_somebody_gave() -> None:
    """A pattern fits the name with its tag."""
    image = _image(patterns=("registry.example/*:1",))
    assert image.is_named("registry.example/shop/web:1")
    assert not image.is_named("registry.example/shop/web:2")


class _Parts:
    def __init__(self, **files: object) -> None:
        self.files = {name.replace("__", "/").replace("_json", ".json"): content for name, content in files.items()}

    def read_json(self, name: str) -> Any:
        return self.files.get(name)


def test_a_docker_archive() -> None:
    """manifest.json names the image, its config and its layers."""
    listed = [{"Config": "c.json", "RepoTags": ["web:1"], "Layers": ["1.tar", "2.tar"]}]
    (plan,) = parse_plans(_Parts(manifest_json=listed, c_json=CONFIG))
    assert (plan.names, plan.layers, plan.folder) == (("web:1",), ("1.tar", "2.tar"), "/srv")
    assert (plan.variables, plan.command) == ((("A", "1"), ("C", "2=3")), ("/web", "--port"))


def test_an_oci_layout() -> None:
    """index.json leads to a manifest, by way of an index of platforms if there is one; what is no platform is left out."""
    platforms = [
        {"digest": "sha256:0f", "platform": {"os": "unknown", "architecture": "unknown"}},
        {"digest": "sha256:0e", "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": "sha256:0d", "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    annotations = {"io.containerd.image.name": "docker.io/library/web:1", "org.opencontainers.image.ref.name": "1"}
    parts = _Parts(
        index_json={"manifests": [{"digest": "sha256:0a", "annotations": annotations}]},
        blobs__sha256__0a={"manifests": platforms},
        blobs__sha256__0d=MANIFEST,
        blobs__sha256__c0=CONFIG,
    )
    (plan,) = parse_plans(parts)
    assert (plan.names, plan.layers) == (("docker.io/library/web:1", "1"), ("blobs/sha256/01", "blobs/sha256/02"))
    (plan,) = parse_plans(_Parts(manifest_json=MANIFEST, c0=CONFIG))
    assert (plan.names, plan.layers, plan.command) == ((), ("01", "02"), ("/web", "--port"))


@pytest.mark.parametrize(
    "parts",
    [
        _Parts(),
        _Parts(index_json=[]),
        _Parts(index_json={}),
        _Parts(index_json={"manifests": [{"platform": {"os": "windows"}}]}),
        _Parts(index_json={"manifests": [{"digest": "sha256:../../x"}]}),
        _Parts(index_json={"manifests": [{"digest": "sha256:0a"}]}, blobs__sha256__0a={"manifests": [{"digest": "sha256:0a"}]}),
    ],
)
def test_what_is_no_image(parts: _Parts) -> None:
    """It is refused, an index that leads to itself too."""
    with pytest.raises(Malformed):
        parse_plans(parts)


@pytest.mark.parametrize(
    ("command", "entrypoint", "path"),
    [
        ((), ("/opt/web",), "/opt/web"),
        (("/opt/tool", "x"), ("/opt/web",), "/opt/tool"),
        (("--flag",), ("/opt/web",), "/opt/web"),
        (("/tini", "--", "/opt/web"), (), "/opt/web"),
        (("sh", "-c", "exec /opt/web --x"), ("/opt/tool",), "/opt/web"),
        ((), ("web",), "/opt/web"),
        ((), ("/bin/linked",), "/opt/web"),
        ((), ("/usr/run",), "/opt/web"),
        ((), ("../opt/./web",), "/opt/web"),
        ((), ("/var/deep/web",), "/opt/web"),
    ],
)
def test_which_program_a_container_runs(command: tuple[str, ...], entrypoint: tuple[str, ...], path: str) -> None:
    """The first word of its command, or else of the image's, that leads to a Go program: by PATH and links too."""
    programs = dict(zip(("/opt/web", "/opt/tool"), _programs("1.24", "1.25"), strict=True))
    image = _image(
        programs=tuple(programs.items()),
        command=entrypoint,
        folder="/srv",
        variables=(("PATH", "/bin:/opt"),),
        links={"/bin/linked": "../opt/web", "/usr": "/opt", "/var/deep": "/opt", "/opt/run": "web", "/a": "b", "/b": "a"},
    )
    go = image.find_go(command)
    assert go is not None
    assert (go.program, go.known_from) == (programs[path], f"{path} in the image web.tar")
    assert image.resolve("/a").startswith("/")


def test_programs_that_no_command_names() -> None:
    """The only one counts, and several of one version; of several versions it is some Go. Without any it is none, if all was seen."""
    one, other = _programs("1.24", "1.25")
    (go,) = [_image(programs=(("/x", one), ("/y", one))).find_go(())]
    assert go is not None
    assert (go.program, go.known_from) == (one, "/x in the image web.tar, as 1 other Go programs in it")
    (go,) = [_image(programs=(("/x", one), ("/y", other))).find_go(())]
    assert go is not None
    assert (go.program, go.known_from) == (None, "2 Go programs of several versions in the image web.tar")
    assert _image().find_go(()) is None


def test_a_layer_that_could_not_be_seen() -> None:
    """Then only a program that the command names is known: another may lie where nobody looked."""
    (one,) = _programs("1.24")
    image = _image(unseen=("its layer 1 is packed",), programs=(("/x", one),))
    assert image.find_go(()) is None
    go = image.find_go(("/x",))
    assert go is not None
    assert go.program == one


def test_several_images_of_one_layout() -> None:
    """Manifests with names are images of their own."""
    named = [{"digest": f"sha256:0{at}", "annotations": {"org.opencontainers.image.ref.name": f"web:{at}"}} for at in (1, 2)]
    parts = _Parts(index_json={"manifests": named}, blobs__sha256__01=MANIFEST, blobs__sha256__02=MANIFEST)
    assert [plan.names for plan in parse_plans(parts)] == [("web:1",), ("web:2",)]


def _seen(*layers: list[str]) -> set[tuple[int, str]]:
    """Which entries of layers, the highest first, a container sees. A path that ends with a slash is a folder, ``a>b`` a link."""
    stack = Stack()
    found = set()
    for number, layer in enumerate(layers):
        stack.begin_layer()
        for entry in layer:
            path, _, link = entry.partition(">")
            if stack.take(path.rstrip("/"), is_folder=path.endswith("/"), link=link or None) and not path.endswith("/"):
                found.add((number, path))
    return found


@pytest.mark.parametrize(
    ("layers", "seen"),
    [
        ([["/a", "/b"], ["/a", "/c"]], {(0, "/a"), (0, "/b"), (1, "/c")}),
        ([["/.wh.a"], ["/a", "/b", "/a/c"]], {(1, "/b")}),
        ([["/d/", "/d/.wh..wh..opq", "/d/x"], ["/d/a", "/d/e/b", "/c"]], {(0, "/d/x"), (1, "/c")}),
        ([["/d/x", "/d/.wh..wh..opq"], ["/d/a"]], {(0, "/d/x")}),
        ([["/a", "/.wh.a"], ["/a"]], {(0, "/a")}),
        ([["/d/"], ["/d/a"]], {(1, "/d/a")}),
        ([["/d"], ["/d/a"]], {(0, "/d")}),
        ([["/d>x"], ["/d/a"]], {(0, "/d")}),
        ([["/.wh..wh..opq"], ["/a"]], set()),
        ([["/b"], ["/.wh.a"], ["/a", "/b"]], {(0, "/b")}),
        ([["/.wh.d"], ["/d/a"], ["/d/b"]], set()),
    ],
)
def test_what_a_container_sees(layers: list[list[str]], seen: set[tuple[int, str]]) -> None:
    """A higher layer hides what has its path, takes away what it names, and empties folders; in itself it takes nothing away."""
    assert _seen(*layers) == seen


_PATHS = st.sampled_from(["/a", "/d/", "/d/a", "/d/b", "/.wh.a", "/.wh.d", "/d/.wh.a", "/d/.wh..wh..opq", "/d/e/", "/d/e/c"])


@given(st.lists(st.lists(_PATHS, max_size=5, unique=True), max_size=4))
def test_the_layers_as_they_would_be_unpacked(layers: list[list[str]]) -> None:
    """Unpacked one over the other, from the lowest, the same files are there."""
    there: dict[str, int] = {}
    for number, layer in reversed(list(enumerate(layers))):
        for entry in layer:
            folder, _, name = entry.rstrip("/").rpartition("/")
            gone = f"{folder}/{name.removeprefix('.wh.')}" if name.startswith(".wh.") and name != ".wh..wh..opq" else None
            inside = f"{folder}/" if name == ".wh..wh..opq" else None
            below = {path for path, at in there.items() if at != number}
            for path in below:
                if (gone and (path == gone or path.startswith(f"{gone}/"))) or (inside and path.startswith(inside)):
                    del there[path]
        for entry in layer:
            if not entry.endswith("/") and "/.wh." not in entry:
                there[entry] = number
    assert _seen(*layers) == {(number, path) for path, number in there.items()}
