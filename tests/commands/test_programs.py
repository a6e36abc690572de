"""What lint is told of programs: local images of all forms, looked into within bounds, and real ones of podman."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cgtune.commands.programs import read_images, read_known
from cgtune.errors import UsageError
from cgtune.system import imagefiles
from tests.support import goprograms
from tests.support.command import run
from tests.support.needs import require

CONFIG = {"config": {"Env": ["GOGC=50"], "Entrypoint": ["/web"]}}


def _tar(entries: Mapping[str, bytes | str | None]) -> bytes:
    """Files with their content, links as text, folders as None."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755
            if isinstance(content, bytes):
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
                continue
            entry.type = tarfile.DIRTYPE if content is None else tarfile.SYMTYPE
            entry.linkname = content or ""
            archive.addfile(entry)
    return file.getvalue()


def _archive(folder: Path, *layers: bytes, names: tuple[str, ...] = ("web:1",), pack: bool = False) -> str:
    listed = [{"Config": "c.json", "RepoTags": names, "Layers": [f"{number}/layer.tar" for number in range(len(layers))]}]
    files: dict[str, bytes] = {"manifest.json": json.dumps(listed).encode(), "c.json": json.dumps(CONFIG).encode()}
    files |= {f"{number}/layer.tar": layer for number, layer in enumerate(layers)}
    data = _tar(files)
    place = folder / "web.tar"
    place.write_bytes(gzip.compress(data) if pack else data)
    return str(place)


@pytest.fixture(scope="module")
def program() -> bytes:
    """A real Go program."""
    return goprograms.build("1.24.11").read_bytes()


@pytest.mark.fetched
@pytest.mark.parametrize("pack", [False, True])
def test_programs_of_layers(tmp_path: Path, program: bytes, pack: bool) -> None:  # a column of the table
    """Programs in plain and in packed layers are found; what is no program, or hidden by a higher layer, is not."""
    lower = _tar({"opt": None, "opt/web": program, "opt/gone": program, "hidden": program, "script": b"#!/bin/sh\n", "empty": b""})
    upper = _tar({"web": "opt/web", "opt/.wh.gone": b"", "hidden": b"\x7fELF no program"})
    (image,) = read_images(_archive(tmp_path, lower, gzip.compress(upper), pack=pack))
    assert [(path, found.go) for path, found in image.programs] == [("/opt/web", "1.24.11")]
    go = image.find_go(())
    assert go is not None
    assert go.known_from == f"/opt/web in the image {tmp_path}/web.tar"
    assert (image.names, image.variables, image.command, image.unseen) == (("web:1",), (("GOGC", "50"),), ("/web",), ())


def test_layers_that_cannot_be_looked_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that is packed by zstd, damaged or not there is told, and the others count."""
    layers = (b"\x28\xb5\x2f\xfd....", b"no tar at all" * 100, gzip.compress(_tar({"a": b"x" * 9999}))[:-30], _tar({"a": b""}))
    (image,) = read_images(_archive(tmp_path, *layers))
    assert image.unseen == (
        "it is damaged: Compressed file ended before the end-of-stream marker was reached",
        "no tar: a header's checksum is wrong",
        "its layer '0/layer.tar' is packed by zstd, which is not looked into; podman save unpacks it",
    )
    assert [line.count("web.tar") for line in capsys.readouterr().err.splitlines()] == [1, 1, 1]


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was unpacked and cannot be read again is not taken for a program that is none of Go's."""

    def fail(*_what: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("cgtune.system.imagefiles.read_at", fail)
    (image,) = read_images(_archive(tmp_path, _tar({"web": b"\x7fELF" + bytes(9999)})))
    assert image.unseen == (f"{tmp_path}/web.tar: what was unpacked cannot be read again: Input/output error",)


def test_several_images_of_one_archive(tmp_path: Path) -> None:
    """Each is one of its own, and a pattern is for none of them."""
    listed = [{"Config": "c.json", "RepoTags": [f"{name}:1"], "Layers": []} for name in ("web", "api")]
    path = tmp_path / "both.tar"
    path.write_bytes(_tar({"manifest.json": json.dumps(listed).encode(), "c.json": json.dumps(CONFIG).encode()}))
    assert [(image.names, image.patterns) for image in read_images(f"x={path}")] == [(("web:1",), ()), (("api:1",), ())]


def test_a_layer_that_is_a_bomb(tmp_path: Path) -> None:
    """What unpacks to more than any image has is left, and so is what takes too long."""
    bomb = gzip.compress(_tar({"zeros": b"\0" * (8 << 20)}))
    path = _archive(tmp_path, bomb)
    with imagefiles.ImageFiles(path, "--image", most_bytes=1 << 20) as files, pytest.raises(Exception, match="too large to be looked into"):
        list(files.read_layer("0/layer.tar"))
    with pytest.raises(Exception, match="longer than 0 seconds"), imagefiles.ImageFiles(path, "--image", most_seconds=0):
        pass


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is neither an archive of docker save or podman save nor an OCI layout: no manifest.json, no index.json"),
        (b"no archive" * 100, "no tar: a header's checksum is wrong"),
        (gzip.compress(b"x" * 600), "no tar: a header's checksum is wrong"),
        (b"\x1f\x8bno gzip at all" * 9, "it is damaged: Unknown compression method"),
        (
            _tar({"manifest.json": b"{"}),
            "manifest.json is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        (_tar({"manifest.json": b"[" * 100_000}), "manifest.json is no JSON: "),
        (_tar({"index.json": b"{}"}), "its index names no image for Linux"),
    ],
)
def test_what_is_no_image(tmp_path: Path, content: bytes, why: str) -> None:
    """One clear line."""
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_images(str(tmp_path / "x.tar"))
    assert str(caught.value).startswith(f"--image '{tmp_path}/x.tar' is no image that can be read: {why}")


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    """A path that is not there, a FIFO that nobody writes into, and a folder that is no layout."""
    subprocess.run(["mkfifo", str(tmp_path / "fifo")], check=True)
    for path, why in (("no", "No such file"), ("fifo", "is not a regular file"), ("", "neither an archive")):
        with pytest.raises(UsageError, match=why):
            read_images(f"{tmp_path}/{path}")


def test_an_image_without_a_name(tmp_path: Path) -> None:
    """Somebody has to say which containers run it."""
    path = _archive(tmp_path, names=())
    with pytest.raises(UsageError, match="does not say which image it is"):
        read_images(path)
    assert read_images(f"web:*={path}")[0].is_named("web:2")
    with pytest.raises(UsageError, match="names no image"):
        read_images(f"={path}")


def test_nothing_is_known_of_nothing() -> None:
    """Without options nothing is opened."""
    known = read_known((), None, ())
    assert (known.patterns, known.binary, known.images) == ((), None, ())


@pytest.mark.live
@pytest.mark.fetched
@pytest.mark.parametrize("form", ["oci-archive", "docker-archive", "oci-dir", "docker-dir"])
def test_a_real_image(tmp_path_factory: pytest.TempPathFactory, form: str, saved: Path) -> None:
    """An image that podman made of a real Go program: the command says of which Go it is, and where that stands."""
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"
        "    - name: c\n      image: localhost/cgtune-test-image:1\n      resources: {limits: {cpu: 500m, memory: 64Mi}}\n"
    )
    named = "*/cgtune-test-image:1=" if form == "docker-dir" else ""
    done = run("lint", "--format", "json", "--image", f"{named}{saved / form}", str(folder))
    findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    (finding,) = [one for one in findings if one["rule"] == "go-not-container-aware"]
    assert done.returncode == 1
    assert f"Go 1.24.11 by /opt/web in the image {saved / form}" in finding["evidence"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one image in each form."""
    require(shutil.which("podman"), "apt-get install --no-install-recommends podman")
    folder = tmp_path_factory.mktemp("image")
    shutil.copy(goprograms.build("1.24.11"), folder / "web")
    (folder / "Containerfile").write_text('FROM scratch\nCOPY web /opt/web\nENV PATH=/opt\nENTRYPOINT ["web"]\n')
    image = "localhost/cgtune-test-image:1"
    subprocess.run(["podman", "build", "-q", "-t", image, "."], cwd=folder, check=True, capture_output=True, timeout=300)
    try:
        for form in ("oci-archive", "docker-archive", "oci-dir", "docker-dir"):
            save = ["podman", "save", "-q", "--format", form, "-o", form, image]
            subprocess.run(save, cwd=folder, check=True, capture_output=True, timeout=300)
    finally:
        subprocess.run(["podman", "rmi", "-f", image], check=False, capture_output=True, timeout=300)
    return folder
