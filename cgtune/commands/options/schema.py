"""The argument of ``cgtune schema``."""

from __future__ import annotations

from cgtune.commands.options.option import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Values

NAME: Argument[str | None] = Argument(
    name="name",
    metavar="[NAME]",
    help="The schema: report, lint, or as a document names it, cgtune/report/v1; without it, the list.",
    default=None,
)


def _run(values: Values) -> None:
    """Print the JSON Schema of what a command prints with --format json, whole: no reference leads out of it.

    \b
    Examples:
      cgtune schema
      cgtune schema report > report.schema.json
    """
    from cgtune.commands.schema import render_schema, render_schemas
    from cgtune.commands.terminal import emit

    name = values[NAME]
    emit(render_schemas() if name is None else render_schema(name))


COMMAND = Command(summary="The JSON Schema of what a command prints.", options=(), argument=NAME, run=_run)
