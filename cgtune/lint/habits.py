"""Programs that take their memory limit from something else than GOMEMLIMIT, by what a manifest shows of them. Pure.

A container of such a program is not reproached for lacking the variable. docs/lint.md has the table.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.manifests.workload import Workload

#: By a variable that it has, by a part of its command, by the end of its image's name: what it does; of an image, from which version on.
VARIABLES = {
    "AUTOMEMLIMIT": "automemlimit sets the limit by it",
    "ROX_MEMLIMIT": "StackRox sets 95 % of it",
}
FLAGS = {
    "--max-go-memory": "CockroachDB sets its limit by this flag",
    "--auto-gomemlimit": "Prometheus sets its limit by this flag",
    "auto-gomemlimit": "the program's own feature sets the limit",
}
IMAGES = {
    "prom/prometheus": ("Prometheus from 3.0 on sets 90 % of the limit by itself", (3, 0)),
    "prometheus/prometheus": ("Prometheus from 3.0 on sets 90 % of the limit by itself", (3, 0)),
    "kyverno/kyverno": ("Kyverno from 1.17 on sets its limit by itself (automemlimit)", (1, 17)),
    "grafana/alloy": ("Grafana Alloy sets 90 % of the limit by itself", (0, 0)),
    "cerbos/cerbos": ("Cerbos sets 90 % of the limit by itself", (0, 0)),
    "gcs-fuse-csi-driver-sidecar-mounter": ("the sidecar of GCS FUSE sets 95 % of the limit by itself", (0, 0)),
}


def says_own_limit(workload: Workload) -> str:
    """Why the container has, or may have, a memory limit of Go's without GOMEMLIMIT; empty if nothing shows that."""
    for name, why in VARIABLES.items():
        there = workload.variable(name)
        if there is not None and there.value != "off":
            return f"{name} is set: {why}"
    for flag, why in FLAGS.items():
        if any(flag in word and "--no-" not in word for word in workload.command):
            return f"{flag} is in its command: {why}"
    image = (workload.image or "").partition("@")[0]
    name = image[: image.rfind(":")] if image.rfind(":") > image.rfind("/") else image
    for end, (why, since) in IMAGES.items():
        if (name == end or name.endswith(f"/{end}")) and not _is_before(image[len(name) + 1 :], since):
            return why
    for variable in workload.variables:
        if variable.field is not None and variable.field.resource == "limits.memory" and variable.name != "GOMEMLIMIT":
            return f"{variable.name} gets the memory limit: the program may set its own by it"
    return ""


def _is_before(tag: str, since: tuple[int, int]) -> bool:
    """Whether a tag names an older version; one that names none, as a digest or "latest" does, is a new one."""
    import re

    found = re.match(r"v?(\d{1,4})\.(\d{1,4})", tag)
    return found is not None and (int(found[1]), int(found[2])) < since
