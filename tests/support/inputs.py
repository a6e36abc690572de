"""Files of an input that are in memory only: what a reader finds beside a file."""

from __future__ import annotations

from collections.abc import Mapping

from cgtune.manifests.places import Beside


def beside(texts: Mapping[str, str]) -> Beside:
    """The other files of an input that consists of these, by path."""

    def names(folder: str) -> list[str]:
        start = f"{folder}/" if folder else ""
        return sorted({path.removeprefix(start).split("/")[0] for path in texts if path.startswith(start)})

    return Beside(texts.get, names)
