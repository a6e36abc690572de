"""What a service remembers of OOM kills as JSON, schema cgtune/kills/v1: docs/serve.md."""

from __future__ import annotations

from cgtune.model import KILLS_SCHEMA
from cgtune.outputs.json import kills_content
from cgtune.outputs.jsontext import write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Kills


def render_kills_json(kills: tuple[Kills, ...], *, version: str, since_seconds: float, forgotten: int) -> str:
    """All of it, those first that were killed last; ``forgotten`` is of how many owners the kills were dropped."""
    content = {
        "schema": KILLS_SCHEMA,
        "cgtune": version,
        "since_seconds": since_seconds,
        "forgotten": forgotten,
        "kills": [kills_content(each) for each in reversed(kills)],
    }
    return write_json(content)
