"""Which containers run Go, and which: what is said of them, in the order in which it counts."""

from __future__ import annotations

import pytest

from cgtune.errors import UsageError
from cgtune.lint.goes import Known, find_go, join_image, parse_go_options
from cgtune.lint.images import Image
from cgtune.manifests import read_text
from cgtune.manifests.workload import Workload
from cgtune.runtimes.go.offline import OfflineProgram, parse_programs

BARE = "image: registry.example/web:1@sha256:ab"
GOGC = f"{BARE}\n      env: [{{name: GOGC, value: '50'}}]"


def _program(version: str) -> OfflineProgram:
    (program,) = parse_programs(version, None)
    return program


def _pod(container: str, annotations: str = "{}", more: str = "") -> Workload:
    head = f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations: {annotations}\n"
    text = f"{head}spec:\n  containers:\n    - name: web\n      {container}\n{more}"
    return next(iter(read_text("p.yaml", text))).workloads[0]


def _said(workload: Workload, known: Known = Known()) -> tuple[str | None, str] | None:  # noqa: B008  # records are immutable
    go = find_go(workload, known)
    return None if go is None else (None if go.program is None else go.program.go, go.known_from)


def test_nothing_said() -> None:
    """A container without any sign is not known to run Go; variables of Go's betray some Go."""
    assert _said(_pod(BARE)) is None
    assert _said(_pod(GOGC)) == (None, "its variable GOGC")


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ('{cgtune.dev/go: "1.24"}', ("1.24", "cgtune.dev/go in line 5")),
        ('{cgtune.dev/go: "go1.24.3"}', ("1.24.3", "cgtune.dev/go in line 5")),
        ('{cgtune.dev/go.web: "1.25", cgtune.dev/go: "1.24"}', ("1.25", "cgtune.dev/go.web in line 5")),
        ('{cgtune.dev/go.other: "1.25"}', (None, "its variable GOGC")),
        ("{cgtune.dev/go: none}", None),
        ("{cgtune.dev/go: new}", (None, "cgtune.dev/go in line 5, in which 'new' is no version of Go")),
        ("{cgtune.dev/go: 1.24}", ("1.24", "cgtune.dev/go in line 5")),
    ],
)
def test_annotations(annotations: str, said: object) -> None:
    """That of the container counts before that of the object, and before all that options say."""
    assert _said(_pod(GOGC, annotations), Known(patterns=(("*", _program("1.20")),)) if "other" not in annotations else Known()) == said


def test_labels_and_sections() -> None:
    """In Compose files it is a label, in task definitions a Docker label, in units a section that systemd ignores."""
    compose = "services:\n  web:\n    image: x\n    labels: [cgtune.dev/go=1.24]\n"
    task = '{"containerDefinitions": [{"name": "web", "image": "x", "dockerLabels": {"cgtune.dev/go": "1.24"}}]}'
    unit = "[Service]\nExecStart=/bin/web\n[X-Cgtune]\ngo=1.24\n"
    for file, text in (("compose.yaml", compose), ("task.json", task), ("web.service", unit)):
        (workload,) = next(iter(read_text(file, text))).workloads
        go = find_go(workload)
        assert go is not None
        assert go.program is not None
        assert go.program.go == "1.24"


@pytest.mark.parametrize(
    ("pattern", "is_fitting"),
    [
        ("registry.example/web", True),
        ("registry.example/web:1", True),
        ("registry.example/*", True),
        ("*", True),
        ("registry.example/we", False),
        ("web", False),
        ("*@sha256:ab", False),
    ],
)
def test_patterns(pattern: str, is_fitting: object) -> None:
    """A pattern fits the image with its tag or without, never its digest."""
    said = _said(_pod(BARE), Known(patterns=parse_go_options([f"{pattern}=1.24"])))
    assert said == (("1.24", f"--go {pattern}=1.24") if is_fitting else None)


def test_patterns_of_units() -> None:
    """A unit has no image: its name and its program stand for it."""
    (unit,) = next(iter(read_text("web.service", "[Service]\nExecStart=/opt/web/server\n"))).workloads
    for pattern in ("web.service", "/opt/web/*"):
        assert _said(unit, Known(patterns=parse_go_options([f"{pattern}=1.24"]))) == ("1.24", f"--go {pattern}=1.24")


def test_the_first_pattern_counts() -> None:
    """And one that says that there is no Go ends the search; a version without a pattern is for what has variables of Go's."""
    known = Known(patterns=parse_go_options(["1.23", "registry.example/*=none", "*=1.24"]))
    assert _said(_pod(GOGC), known) is None
    assert _said(_pod("image: other\n      env: [{name: GOGC, value: '50'}]"), known) == ("1.24", "--go *=1.24")
    assert _said(_pod(GOGC), Known(patterns=parse_go_options(["1.23"]))) == ("1.23", "--go 1.23")
    assert _said(_pod(BARE), Known(patterns=parse_go_options(["1.23"]))) is None


@pytest.mark.parametrize("value", ["=1.24", "x=", "x=new", "1.24,1.25", "x=1.24,1.25", "", "x=2.0"])
def test_what_is_no_option(value: str) -> None:
    """One clear line."""
    with pytest.raises(UsageError, match=r"^--go .{,400}; examples: "):
        parse_go_options([value])
    with pytest.raises(UsageError, match=r"^--go .{,400}; examples: "):
        parse_go_options([value + "\x1b=" * 1000])


def test_a_binary() -> None:
    """It is for what has variables of Go's, what bears its name, and what is alone in its pod; not for any other container of a pod."""
    known = Known(binary=("./server", _program("1.24")))
    assert _said(_pod(BARE), known) == ("1.24", "--binary ./server")
    more = "    - {name: side, image: envoy}\n"
    assert _said(_pod(BARE, more=more), known) is None
    assert _said(_pod(GOGC, more=more), known) == ("1.24", "--binary ./server")
    assert _said(_pod("image: example/server:1", more=more), known) == ("1.24", "--binary ./server")
    (service,) = next(iter(read_text("compose.yaml", "services:\n  db:\n    image: postgres\n"))).workloads
    assert _said(service, known) is None
    assert _said(_pod(f"{BARE}\n      command: [/tini, --, /opt/server]", more=more), known) == ("1.24", "--binary ./server")


def _image(**fields: object) -> Image:
    return Image(file="web.tar", names=("registry.example/web:1",), **fields)  # type: ignore[arg-type]  # fields of Image


def test_an_image() -> None:
    """Its own programs count before what options say without a pattern, also that there is none; its variables count if none is set."""
    known = Known(images=(_image(programs=(("/web", _program("1.24")),), variables=(("GOGC", "60"), ("GODEBUG", "x=1"))),))
    assert _said(_pod(BARE), known) == ("1.24", "/web in the image web.tar, the only Go program in it")
    assert _said(_pod(GOGC), Known(images=(_image(),))) is None
    partly = Known(images=(_image(unseen=("a layer",)),))
    assert (_said(_pod(GOGC), partly), _said(_pod(BARE), partly)) == ((None, "its variable GOGC"), None)
    joined = join_image(_pod(GOGC), known)
    assert [(one.name, one.value, one.origin) for one in joined.variables] == [("GOGC", "50", "literal"), ("GODEBUG", "x=1", "image")]
    assert joined.variables[1].place == joined.image_place
    assert join_image(_pod("image: other"), known).variables == ()
