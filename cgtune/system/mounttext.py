"""Of a large /proc/PID/mountinfo the lines that somebody asks for: a process may have a hundred thousand mounts, in order to be dear."""

from __future__ import annotations

from cgtune.errors import Malformed

_MOST_CGROUPS = 1000  # v1 has a dozen; of one hierarchy 64 are tried (cgroups/chains.py)
_MOST_NAMING = 256
_LONGEST_LINE = 16 << 10  # of one that is understood here; Go has bounds of its own for what is longer

#: What stands in the root of a mount that names a container or a pod (cgroups/containers.py), and in the place of one (process.py).
_NAMING_ROOTS = (b"/pods/", b"containers/", b"/io.containerd.")
_NAMING_POINTS = (b"/etc/hostname", b"/secrets/kubernetes.io/serviceaccount")


def select_mounts(content: bytes) -> bytes:
    """The lines of cgroup mounts, those that name a container or a pod, and of all others what lies above one of them or covers it; and the
    first of each kind at which Go ends its search. Raises Malformed for more than a thousand cgroup mounts.
    """
    lines = content.split(b"\n")
    wanted, points, odd = set[int](), set[bytes](), dict[str, int]()
    cgroups = naming = 0
    for number, line in enumerate(lines):
        fields = line.split(b" ", 5)
        if not line:
            continue
        tail = b"" if len(fields) < 6 else fields[5].partition(b" - ")[2]
        if b" " not in tail or len(line) > _LONGEST_LINE:
            odd.setdefault("no line", number)
            continue
        if not fields[3].startswith(b"/"):
            odd.setdefault("no root", number)
            continue
        if tail.startswith((b"cgroup ", b"cgroup2 ")):
            cgroups += 1
        elif naming < _MOST_NAMING and (any(name in fields[3] for name in _NAMING_ROOTS) or fields[4].endswith(_NAMING_POINTS)):
            naming += 1
        else:
            continue
        if cgroups > _MOST_CGROUPS:
            raise Malformed(f"more than {_MOST_CGROUPS} cgroup mounts")
        wanted.add(number)
        points.add(fields[4])
    wanted.update(odd.values())
    above = {b"/".join(names[:count]) or b"/" for names in (point.split(b"/") for point in points) for count in range(1, len(names) + 1)}
    kept = (line for number, line in enumerate(lines) if number in wanted or b"".join(line.split(b" ", 5)[4:5]) in above)
    return b"".join(line + b"\n" for line in kept if line)
