"""Go's own parsers as a program that one can ask: built from a toolchain's sources, with hooks laid over them at test time.

``go build -overlay`` replaces files of the standard library for one build. The replacements are made here, from the toolchain's own
files by exact textual edits; each edit has to find its place as often as is said, so a toolchain with other sources fails here, loudly,
and none of Go's text is kept by us. What the edits change: system calls of internal/runtime/cgroup go to texts in memory, and three
places that would end the process say so to the caller instead.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Self

from tests.support.toolchains import build, cache, goroot, minor

HERE = Path(__file__).parent

_MALFORMED = "malformed GOMEMLIMIT; see `go doc runtime/debug.SetMemoryLimit`"
_PRINTED = 'print("GOMEMLIMIT=", p, "\\n")'
_CGOCHECK = "cgocheck > 1 mode is no longer supported at runtime. Use GOEXPERIMENT=cgocheck2 at build time instead."


class Oracle:
    """A running oracle of one toolchain; a context manager. Answers are bytes."""

    def __init__(self, version: str) -> None:
        self.version = version
        program = build_oracle(version)
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the oracle
        self._process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env={})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._errors.close()

    def ask(self, *request: bytes) -> list[bytes]:
        """Send one request, read its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(struct.pack("<I", len(request)) + b"".join(struct.pack("<I", len(item)) + item for item in request))
        self._process.stdin.flush()
        return [self._read(self._number()) for _ in range(self._number())]

    def _number(self) -> int:
        return int(struct.unpack("<I", self._read(4))[0])

    def _read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        raw = self._process.stdout.read(size)
        if len(raw) != size:
            self._errors.seek(0)
            raise AssertionError(f"the oracle of Go {self.version} died: {self._errors.read()[-2000:].decode(errors='replace')}")
        return raw


def build_oracle(version: str) -> Path:
    """The program, from the cache where it was built of the very same texts before."""
    texts = _overlay(goroot(version) / "src", minor(version))
    parts = [*texts.values(), *(file.read_text() for file in sorted((HERE / "oracle").iterdir()))]
    program = cache() / "oracle" / f"{version}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:16]}"
    if program.is_file():
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{version}-", dir=program.parent) as name:
        folder = Path(name)
        replaced = {}
        for number, (place, text) in enumerate(texts.items()):
            replaced[str(place)] = str(folder / f"{number}-{place.name}")
            Path(replaced[str(place)]).write_text(text)
        (folder / "overlay.json").write_text(json.dumps({"Replace": replaced}))
        flags = [f"-overlay={folder / 'overlay.json'}", *(["-tags=limit"] if minor(version) >= 25 else [])]
        os.rename(build(version, HERE / "oracle", folder / "oracle", *flags), program)
    return program


def _overlay(source: Path, line: int) -> dict[Path, str]:
    """The texts of the files to replace or to add, by their places."""
    runtime = source / "runtime"
    memory, godebug = runtime / "mgcpacer.go", runtime / "runtime1.go"
    texts = {
        memory: _edited(memory.read_text(), (f'throw("{_MALFORMED}")', 'panic(oracleDeath("malformed"))', 1), (_PRINTED, "", 1)),
        godebug: _edited(godebug.read_text(), (f'throw("{_CGOCHECK}")', 'panic(oracleDeath("cgocheck"))', 1)),
        runtime / "oracle.go": _runtime_hook(runtime, line),
    }
    if line >= 25:
        texts |= _cgroup_overlay(source, line)
        texts[runtime / "oracle_limit.go"] = (HERE / "hooks" / "runtime_limit.go.txt").read_text()
    return texts


def _runtime_hook(runtime: Path, line: int) -> str:
    source = (runtime / "proc.go").read_text()
    found = re.findall(r'^\t(if n, \w+ := .*gogetenv\("GOMAXPROCS"\).*\{)$', source, re.MULTILINE)
    assert len(found) == 1, f"schedinit reads GOMAXPROCS in another way: {found}"
    newer = "func parseRuntimeDebugVars(" in (runtime / "runtime1.go").read_text()  # 1.25.0 has the older form still
    parse = 'parseRuntimeDebugVars(gogetenv("GODEBUG"))' if newer else "parsedebugvars()"
    lines = [parse, 'said := ""']
    if line >= 25:
        lines += ['said = oracleNumber(debug.containermaxprocs) + " " + oracleNumber(debug.updatemaxprocs)']
    if line >= 27:
        lines = ['invalidGODEBUG.key, invalidGODEBUG.value = "", ""', *lines]
        lines += ['if invalidGODEBUG.key != "" {', 'said += " " + invalidGODEBUG.key + "=" + invalidGODEBUG.value', "}"]
    text = (HERE / "hooks" / "runtime.go.txt").read_text()
    imports = "\n".join(re.findall(r'^\t("internal/\S*strconv")$', source, re.MULTILINE))
    text = text.replace("@IMPORTS@", f"import {imports}" if imports else "")
    return text.replace("@GOMAXPROCS@", found[0]).replace("@GODEBUG@", "\n\t".join([*lines, "return said"]))


def _cgroup_overlay(source: Path, line: int) -> dict[Path, str]:
    package = source / "internal" / "runtime" / "cgroup"
    system, path = ("linux", "internal/runtime/syscall/linux") if line >= 26 else ("syscall", "internal/runtime/syscall")
    calls = [(f"{system}.Open(", "oracleOpen(", 5), (f"{system}.Close(", "oracleClose(", 7), (f"{system}.Pread(", "oraclePread(", 2)]
    texts = {package / "cgroup_linux.go": (package / "cgroup_linux.go").read_text()}
    texts[package / "cgroup_linux.go"] = _edited(texts[package / "cgroup_linux.go"], *calls, (f"{system}.Read,", "oracleRead,", 2))
    if line >= 26:
        text = (package / "cgroup.go").read_text()
        # Where the length comes out below zero, the next line's slicing ends the process
        ends = "n := unescapedLen(mnt)\nif n < 0 && n+len(rel) <= len(out) {\npanic(stringError(`panic on system stack`))\n}\n"
        texts[package / "cgroup.go"] = _edited(text, ("n := unescapedLen(mnt)\n", ends, 1))
    else:
        text = texts[package / "cgroup_linux.go"]
        texts[package / "cgroup_linux.go"] = _edited(text, ('throw("output too small")', 'panic(stringError("output too small"))', 1))
    texts[package / "oracle.go"] = (HERE / "hooks" / "cgroup.go.txt").read_text().replace("@SYSCALL@", path)
    return texts


def _edited(text: str, *edits: tuple[str, str, int]) -> str:
    for old, new, times in edits:
        assert text.count(old) == times, f"{old!r} is there {text.count(old)} times, not {times}: this Go is another one"
        text = text.replace(old, new)
    return text
