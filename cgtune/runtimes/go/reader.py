"""Reads the Go runtimes of one process: build info, what each derives, and what each has at this moment.

The one module of this shelf that is handed a host. Reading needs ptrace access of mode READ for exe, maps, environ, mountinfo and fd
(same user, or CAP_SYS_PTRACE), of mode ATTACH for mem (the same, and Yama's ptrace_scope); map_files, for libraries, CAP_SYS_ADMIN or
CAP_CHECKPOINT_RESTORE, and /proc/PID/root stands in where that is missing (proc_pid_mem(5), ptrace(2)).
Not covered: the environment that a library finds when it is loaded later than its program started.
"""

from __future__ import annotations

from cgtune import kernel
from cgtune.errors import Absent, CgtuneError, Malformed, NoSuchProcess, Unreadable
from cgtune.locate import locate_namespace_root, rebase_path
from cgtune.model import GoFacts, GoSetting, LimitFile, Note
from cgtune.runtimes.go.mappings import parse_maps
from cgtune.runtimes.go.programs import GoRuntime, Known, OpenedFile, locate_runtimes, read_runtime_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.host import Host
    from cgtune.model import Membership, Mount
    from cgtune.runtimes.go.buildinfo import GoVersion
    from cgtune.runtimes.go.derive import GoDerivation, GoInputs
    from cgtune.runtimes.go.live import LiveWords
    from cgtune.runtimes.go.mappings import Module

_MACHINES = {62: "amd64", 183: "arm64", 3: "386", 40: "arm", 243: "riscv64", 21: "ppc64le", 22: "s390x", 258: "loong64"}
_LIMIT_FILES = ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")

#: The number of the namespace that the machine starts with (PROC_CGROUP_INIT_INO, include/linux/proc_ns.h).
_INITIAL_NAMESPACE = "cgroup:[4026531835]"

#: The runtime opens its limit files before anything else: they have low numbers unless dozens of files were inherited.
_HIGHEST_FD = 64


class GoReading:
    """One process as the Go shelf reads it. ``affinity_count`` is what sched_getaffinity allows its first thread."""

    def __init__(self, host: Host, pid: int, *, executable: str | None, affinity_count: int) -> None:
        self.host, self.pid, self.executable, self.affinity_count = host, pid, executable, affinity_count
        self.notes: list[Note] = []

    def read(self, known: Known) -> tuple[GoFacts, ...]:
        """The Go runtimes of the process, none for other programs; what could not be read is in ``notes``."""
        runtimes = self._locate(known)
        return tuple(self._facts(runtime, known) for runtime in runtimes)

    def _locate(self, known: Known) -> tuple[GoRuntime, ...]:
        try:
            mappings = parse_maps(self.host.read_text(f"/proc/{self.pid}/maps"))
            runtimes, notes = locate_runtimes(mappings, self._open_module, known, read_memory=self._read_memory)
        except Absent:
            return ()
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            self._note(f"/proc/{self.pid}/maps", error)
            return ()
        program = [note for note in notes if note.path == self.executable]
        others = [note for note in notes if note.path != self.executable]
        if others and len(others) > 1:
            others = [others[0].replace(why=f"{others[0].why} (and {len(others) - 1} more of its libraries)")]
        self.notes += program + others
        return runtimes

    def _open_module(self, module: Module) -> OpenedFile:
        """The file behind a module's mappings, through the kernel's own links: a path on disk may be another file by now."""
        first = module.mappings[0]
        own = module.path + (" (deleted)" if module.deleted else "")
        path = f"/proc/{self.pid}/exe" if own == self.executable else f"/proc/{self.pid}/map_files/{first.start:x}-{first.end:x}"
        try:
            identity = self.host.read_file_identity(path)
        except (Unreadable, Absent):
            if path.endswith("/exe"):
                raise
            path = f"/proc/{self.pid}/root{module.path}"
            identity = self.host.read_file_identity(path)
            if identity[1] != module.inode:
                raise Unreadable(f"{path} is another file than the one that is mapped") from None
        return OpenedFile(identity=identity, read_at=lambda offset, size: self.host.read_at(path, offset, size))

    def _read_memory(self, address: int, size: int) -> bytes:
        return self.host.read_at(f"/proc/{self.pid}/mem", address, size)

    def _facts(self, runtime: GoRuntime, known: Known) -> GoFacts:
        # Most processes are not Go's: what only Go programs need is loaded when there is one.
        from cgtune.runtimes.go.derive import GoInputs, derive
        from cgtune.runtimes.go.facts import derived_facts
        from cgtune.runtimes.go.godebug import parse_default_godebug

        info = runtime.info
        library = bool(runtime.path) and runtime.path != (self.executable or "").removesuffix(" (deleted)")
        default_godebug = parse_default_godebug(info.settings)
        inputs = GoInputs(
            version=info.go,
            architecture=_MACHINES.get(runtime.elf.machine, f"machine {runtime.elf.machine}"),
            default_godebug=default_godebug,
            environ=self._read_environ(),
            affinity_count=self.affinity_count,
            library=library,
        )
        words = self._read_words(runtime, known)
        follows = None
        if info.go is None or info.go.at_least(1, 25):
            inputs, follows = self._with_limit(inputs, info.go, words)
        derivation = derive(inputs)
        self.notes += [Note(path=self.executable or runtime.path, why=why) for why in derivation.notes]
        self.notes += [Note(path=f"/proc/{self.pid}/mem", why=why) for why in words.notes]
        return GoFacts(
            path=runtime.path,
            deleted=runtime.deleted,
            version=info.version.removeprefix("go"),
            main_module=info.main_module or None,
            godebug=dict(pair.partition("=")[::2] for pair in default_godebug.split(",") if "=" in pair),
            modules=dict(info.modules),
            build_settings=dict(info.settings),
            settings=_settings(derivation, words),
            pinned=words.pinned,
            follows=follows,
            cpus_at_start=words.cpus_at_start,
            heap_live_bytes=words.heap_live_bytes,
            heap_marked_bytes=words.heap_marked_bytes,
            mapped_bytes=words.mapped_bytes,
            **derived_facts(inputs, derivation),  # type: ignore[arg-type]  # each value has the type of the field it is named for
        )

    def _read_words(self, runtime: GoRuntime, known: Known) -> LiveWords:
        try:
            return read_runtime_words(runtime, known, self._read_memory)
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            self._note(f"/proc/{self.pid}/mem", error)
            from cgtune.runtimes.go.live import LiveWords

            return LiveWords()

    def _read_environ(self) -> tuple[tuple[str, str], ...] | None:
        try:
            text = self.host.read_text(f"/proc/{self.pid}/environ")
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            self._note(f"/proc/{self.pid}/environ", error)
            return None
        pairs = (entry.partition("=") for entry in text.split("\0"))
        return tuple((name, value) for name, equals, value in pairs if equals)

    def _with_limit(self, inputs: GoInputs, version: GoVersion | None, words: LiveWords) -> tuple[GoInputs, LimitFile | None]:
        """The inputs with what the runtime sees of its quota; and the limit file that it holds open, which is the one it obeys."""
        from cgtune.runtimes.go.limitfile import LimitSeen, locate_limit, parse_limit

        try:
            cgroup_text, mountinfo_text = self._read_own_texts()
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            self._note(f"/proc/{self.pid}/mountinfo", error)
            return inputs, None
        inputs = inputs.replace(cgroup_text=cgroup_text, mountinfo_text=mountinfo_text, read_limit=self._read_limit)
        if words.container_setting and words.container_aware is False and words.gomaxprocs is not None:
            # runtime.cgroupOK is decided once, at the start, before GOMAXPROCS is: whatever the files say now, it found none then
            why = self._why_no_limit(version, cgroup_text, mountinfo_text)
            return inputs.replace(limit=LimitSeen(why=why or "the runtime found no limit file when it started, and holds none open")), None
        # With containermaxprocs off it closes its limit files: one that is open is the program's own, a monitoring agent's perhaps
        held = () if words.container_setting is False else _below_root(self._read_held_files(), mountinfo_text)
        if version is None or not held:
            return inputs, None
        minor = version.minor
        try:
            located = locate_limit(minor, cgroup_text, mountinfo_text, self._read_limit)
            contents = [content for path in held if (content := self._read_limit(path)) is not None]
        except CgtuneError as error:
            self._note(f"/proc/{self.pid}/fd", error)
            return inputs, None
        exists = len(contents) == len(held)
        own = exists and _is_own(held[0], cgroup_text, mountinfo_text)
        if not own:
            why = f"the runtime follows {held[0]}, which is not its cgroup's limit file now"
            self.notes.append(Note(path=f"/proc/{self.pid}/fd", why=why))
        follows = LimitFile(path=held[0], own=own, exists=exists)
        # Go 1.25 glues mount point and path together, and opens /sys/fs/cgroup//cpu.max
        if tuple(map(_plain, located.files)) == held:
            return inputs, follows
        if exists:
            limit = parse_limit(minor, 2 if held[0].endswith("/cpu.max") else 1, tuple(contents)).replace(files=held)
        else:
            limit = LimitSeen(why=f"{held[0]} is gone, and the runtime reads no other")
        return inputs.replace(limit=limit), follows

    def _why_no_limit(self, version: GoVersion | None, cgroup_text: str, mountinfo_text: str) -> str | None:
        """Why the runtime finds no limit, as far as the files still say so now."""
        from cgtune.runtimes.go.limitfile import locate_limit

        try:
            return None if version is None else locate_limit(version.minor, cgroup_text, mountinfo_text, self._read_limit).why
        except NoSuchProcess:
            raise
        except CgtuneError:
            return None

    def _read_held_files(self) -> tuple[str, ...]:
        """The limit files among the open ones, the quota's before the period's: as the runtime opened them."""
        held = []
        try:
            numbers = [int(name) for name in self.host.list_directory(f"/proc/{self.pid}/fd") if name.isdigit()]
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            self._note(f"/proc/{self.pid}/fd", error)
            return ()
        for number in sorted(numbers):
            if number >= _HIGHEST_FD:
                break
            try:
                target = self.host.read_link(f"/proc/{self.pid}/fd/{number}")
            except CgtuneError:
                continue  # closed meanwhile
            if target.rpartition("/")[2] in _LIMIT_FILES:
                held.append(target)
        if held and held[0].endswith("/cpu.max"):
            return (held[0],)
        return tuple(held[:2])

    def _read_limit(self, path: str) -> bytes | None:
        """A limit file as the process itself would open it; None where it is not there."""
        try:
            return self.host.read_bytes(f"/proc/{self.pid}/root{_plain(path)}", cap_bytes=1 << 16)
        except (Absent, Malformed):
            return None

    def _read_own_texts(self) -> tuple[str, str]:
        """/proc/self/cgroup and mountinfo as the process itself reads them: relative to its own cgroup namespace, not to ours."""
        cgroup_text = self.host.read_text(f"/proc/{self.pid}/cgroup")
        mountinfo_text = self.host.read_text(f"/proc/{self.pid}/mountinfo")
        try:
            namespace = self.host.read_link(f"/proc/{self.pid}/ns/cgroup")
            same = namespace == self.host.read_link(f"/proc/{self.host.read_link('/proc/self')}/ns/cgroup")
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            self._note(f"/proc/{self.pid}/ns/cgroup", error)
            namespace, same = "", True
        if same:
            return cgroup_text, mountinfo_text
        memberships = kernel.parse_cgroup(cgroup_text)
        mounts = kernel.parse_mountinfo(mountinfo_text)
        roots = self._namespace_roots(memberships, mounts, initial=namespace == _INITIAL_NAMESPACE)
        return _rebased_cgroup(cgroup_text, memberships, roots), _rebased_mountinfo(mountinfo_text, mounts, roots)

    def _namespace_roots(self, memberships: tuple[Membership, ...], mounts: tuple[Mount, ...], *, initial: bool) -> dict[str, str]:
        """By hierarchy: the cgroup that the process's namespace calls /, as our own namespace spells it."""
        roots = {}
        for membership in memberships:
            root, assumed = locate_namespace_root(membership, mounts, initial=initial)
            roots[_hierarchy(membership)] = root
            if assumed and ("cpu" in membership.controllers or membership.hierarchy_id == 0):
                why = f"where its cgroup namespace begins cannot be seen; taken to be at its own cgroup, {membership.path}"
                self.notes.append(Note(path=f"/proc/{self.pid}/ns/cgroup", why=why))
        return roots

    def _note(self, path: str, error: CgtuneError) -> None:
        privilege = error.privilege if isinstance(error, Unreadable) else None
        if privilege and path.endswith("/mem") and self._is_ptrace_off():
            self.notes.append(Note(path=path, why="permission denied: Yama's ptrace_scope is 3, which no privilege overrides"))
            return
        self.notes.append(Note(path=path, why=str(error).removeprefix(f"{path}: "), privilege=privilege))

    def _is_ptrace_off(self) -> bool:
        try:
            return self.host.read_text("/proc/sys/kernel/yama/ptrace_scope").strip() == "3"
        except CgtuneError:
            return False


def _plain(path: str) -> str:
    """A path as the kernel names what it leads to: without doubled slashes, dots, and the mounts' own ``..``."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts[-1:] = []
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def _below_root(links: tuple[str, ...], mountinfo_text: str) -> tuple[str, ...]:
    """Links of /proc/PID/fd as the process spells them: after chroot(2) they show what lies before its root, and its mountinfo does not."""
    points = [mount.mount_point for mount in kernel.parse_mountinfo(mountinfo_text) if mount.filesystem in ("cgroup", "cgroup2")]
    before = 0
    if links and not any(links[0].startswith(f"{point}/") for point in points):
        before = max(0, *(links[0].find(f"{point}/") for point in points if point != "/"), 0)
    return tuple(link[before:] for link in links)


def _is_own(path: str, cgroup_text: str, mountinfo_text: str) -> bool:
    """Whether a limit file is that of the process's cgroup: Go 1.25 overlooks that a mount need not begin at the hierarchy's root."""
    folder, _, name = path.rpartition("/")
    unified = name == "cpu.max"
    memberships = kernel.parse_cgroup(cgroup_text)
    own = next((one.path for one in memberships if (one.hierarchy_id == 0 if unified else "cpu" in one.controllers)), None)
    for mount in reversed(kernel.parse_mountinfo(mountinfo_text)):  # a later mount covers those before it
        below = folder.removeprefix(mount.mount_point)
        if mount.filesystem == ("cgroup2" if unified else "cgroup") and (below == "" or (below != folder and below.startswith("/"))):
            return _plain_cgroup(mount.root + below) == own
    return False


def _plain_cgroup(path: str) -> str:
    """A mount's root and what is below it as one cgroup path; what lies above a namespace keeps its dots: /../sibling."""
    return "/" + "/".join(part for part in path.split("/") if part)


def _hierarchy(membership: Membership) -> str:
    return ",".join(sorted(membership.controllers)) if membership.hierarchy_id else "v2"


def _root_of(mount: Mount, roots: dict[str, str]) -> str | None:
    if mount.filesystem == "cgroup2":
        return roots.get("v2")
    if mount.filesystem == "cgroup":
        return next((root for name, root in roots.items() if name != "v2" and set(name.split(",")) & set(mount.super_options)), None)
    return None


def _rebased_cgroup(text: str, memberships: tuple[Membership, ...], roots: dict[str, str]) -> str:
    lines = []
    for line, membership in zip((line for line in text.split("\n") if line), memberships, strict=True):
        identifier, controllers, _ = line.split(":", 2)
        lines.append(f"{identifier}:{controllers}:{rebase_path(membership.path, roots[_hierarchy(membership)])}\n")
    return "".join(lines)


def _rebased_mountinfo(text: str, mounts: tuple[Mount, ...], roots: dict[str, str]) -> str:
    lines = []
    for line, mount in zip((line for line in text.split("\n") if line), mounts, strict=True):
        root = _root_of(mount, roots)
        fields = line.split(" ", 4)
        if root is not None:
            fields[3] = kernel.escape_octal(rebase_path(mount.root, root))
        lines.append(" ".join(fields) + "\n")
    return "".join(lines)


def _settings(derivation: GoDerivation, words: LiveWords) -> tuple[GoSetting, ...]:
    triples = (
        ("GOMAXPROCS", derivation.gomaxprocs, words.gomaxprocs),
        ("GOMEMLIMIT", derivation.gomemlimit, words.memory_limit_bytes),
        ("GOGC", derivation.gogc, words.gc_percent),
    )
    return tuple(
        GoSetting(
            name=name,
            derived=derived,
            observed=observed,
            observed_from=None if observed is None else "memory",
            because=derivation.because.get(name, ()),
        )
        for name, derived, observed in triples
    )
