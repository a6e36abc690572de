"""What kind of program a process runs that is no Go program, if that is plain: by the name of its executable, or by a library that it maps.

What is not covered: a runtime that is linked into a program of another name (a packed Node or Deno program), interpreters that are embedded
into an editor or a server: they are "other".
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cgtune.model import Kind

# By the executable's name, version and all behind it: python3.11, php-fpm8.2, ruby3.1, perl5.36.0
_EXECUTABLES: dict[str, Kind] = {
    "java": "jvm",
    "dotnet": "dotnet",
    "node": "node",
    "nodejs": "node",
    "bun": "node",
    "deno": "node",
    "python": "python",
    "pypy": "python",
    "ruby": "ruby",
    "php": "php",
    "php-fpm": "php",
    "perl": "perl",
    "beam.smp": "erlang",
}
# By a library: the runtime is that of the whole process, whatever the launcher is called
_LIBRARIES: dict[str, Kind] = {"libjvm.so": "jvm", "libcoreclr.so": "dotnet", "libnode.so": "node", "libmonosgen-2.0.so": "dotnet"}

_EMULATORS = ("qemu", "box64", "box86", "FEXInterpreter", "FEXLoader", "FEX", "rosetta", "exagear")
_NO_EMULATORS = (
    "qemu-system-",
    "qemu-img",
    "qemu-nbd",
    "qemu-io",
    "qemu-ga",
    "qemu-storage-daemon",
    "qemu-pr-helper",
    "qemu-bridge-helper",
)


def tell_kind(executable: str, paths: Iterable[str]) -> Kind:
    """The kind of a program that is no Go program, by its executable and the files that it maps."""
    name = base_name(executable)
    if is_emulator(executable):
        return "emulated"
    kind = _EXECUTABLES.get(name) or _EXECUTABLES.get(name.rstrip("0123456789.-"))
    by_library = (_LIBRARIES[library] for path in paths if (library := library_name(path)) in _LIBRARIES)
    return kind if kind is not None else next(by_library, "other")


def tells_kind(path: str) -> bool:
    """Whether a mapping of this file tells what kind of program it is."""
    return library_name(path) in _LIBRARIES


def is_emulator(executable: str) -> bool:
    """Whether this program runs programs of another architecture in their stead, as qemu-user does: qemu-aarch64-static, box64."""
    name = base_name(executable)
    if name.startswith(_NO_EMULATORS):
        return False
    return name.startswith("qemu-") or name in _EMULATORS


def base_name(path: str) -> str:
    """The last part of an executable's path, without what the kernel says behind it."""
    return path.removesuffix(" (deleted)").rpartition("/")[2]


def library_name(path: str) -> str:
    """A library's name without its version: libnode.so of /usr/lib/libnode.so.108."""
    name = base_name(path)
    before, dot, _ = name.partition(".so.")
    return f"{before}.so" if dot else name
