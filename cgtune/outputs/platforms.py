"""What the table says of the platform: its name, how that was told, what it hides, and what it says of limits."""

from __future__ import annotations

from cgtune.numbers import format_cores, format_cpus
from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import format_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cgtune.model import Platform, Said
    from cgtune.outputs.layout import Sheet


def platform_lines(sheet: Sheet, platforms: Sequence[Platform]) -> Iterator[str]:
    """A few lines for each platform."""
    label = "platform"
    for platform in platforms:
        told = escape_control(", ".join(platform.told_by))
        yield from sheet.wrapped(label, f"{sheet.style('strong', platform.name)} ({told})")
        yield from sheet.wrapped("", f"hides {platform.hides}", "- ")
        for said in platform.said:
            yield from sheet.wrapped("", escape_control(said_words(said)), "- ")
        label = ""


def said_words(said: Said) -> str:
    """What a platform says of one limit, and whether that is more than words."""
    what = {
        "cores": lambda: format_cpus(said.value),
        "units": lambda: f"{said.value:g} CPU units, a share of {format_cores(said.value / 1024)} CPUs",
        "MHz": lambda: f"{said.value:g} MHz",
        "bytes": lambda: f"{format_bytes(int(said.value))} of memory",
    }[said.unit]()
    return f"says {what} for the {said.of}, {'a limit' if said.is_cap else 'said, not enforced'}: {said.source}"
