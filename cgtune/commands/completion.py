"""What a shell offers for a value while it is typed: rules, and what runs here. What cannot be seen is not offered; nothing fails."""

from __future__ import annotations

from cgtune.errors import CgtuneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.targets import Names

_ID_SHOWN = 12


def list_words(kind: str, incomplete: str, root: str = "/") -> list[tuple[str, str]]:
    """Words of this kind (Option.complete) that begin so, each once, with a few words about it."""
    try:
        pairs = _list_rules() if kind == "rule" else _list_running(kind, root)
        found: dict[str, str] = {}
        for word, about in pairs:
            if word.startswith(incomplete) and word.isprintable():
                found.setdefault(word, about if about.isprintable() else "")
    except CgtuneError:
        return []
    return list(found.items())


def _list_rules() -> Iterator[tuple[str, str]]:
    from cgtune.rulebook import list_rules

    return ((rule.ID, rule.SUMMARY) for rule in list_rules())


def _list_running(kind: str, root: str) -> Iterator[tuple[str, str]]:
    from cgtune.machineview import MachineView
    from cgtune.system.host import Host
    from cgtune.targets import list_names

    with Host(root) as host:
        for names in list_names(MachineView(host), with_containers=kind not in ("pid", "command")):
            yield from _words_of(kind, names)


def _words_of(kind: str, names: Names) -> Iterator[tuple[str, str]]:
    """The words by which this process may be meant."""
    container = names.container
    pod = container.pod_name or container.pod_uid
    if kind in ("pid", "target"):
        yield str(names.pid), names.command
    if kind in ("container", "target") and container.id:
        yield container.id[:_ID_SHOWN], " ".join(name for name in (pod, container.name, names.command) if name)
    if kind in ("pod", "target") and pod:
        yield pod, names.command
    if kind == "namespace" and container.pod_namespace:
        yield container.pod_namespace, ""
    if kind in ("command", "target"):
        yield names.command, ""
