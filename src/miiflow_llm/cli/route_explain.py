"""The command `route explain`: the targets that a call to a route would go to, as a table or as JSON."""

from __future__ import annotations

from ..routing import SyncRouter
from ..routing.report import COLUMNS
from .asking import Ask
from .output import write_json, write_table


def explain(ask: Ask, prompt: str, *, as_json: bool) -> None:
    """Show the table that would decide.

    Raises:
        ConfigurationError: there is no such route, or the request cannot be made.
    """
    ask.prepare()
    settings = {name: value for name, value in ask.settings().items() if name != "timeout"}
    with SyncRouter.from_config(ask.source, ask.route or "default") as router:
        found = router.explain([*ask.opening(), ask.turn(prompt)], **settings)
    if as_json:
        write_json(found.to_dict())
    else:
        write_table(COLUMNS, found.rows())
