"""`zonepulse runbook`: what an alert about the machine means, and what to do."""

from typing import Annotated

import typer

from zonepulse.streams.health.runbooks import names, page
from zonepulse.streams.screen import BadInput, say


def runbook(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Such as ops_no_data; absent: list them all.")] = "",
) -> None:
    """Print the page of an alert of Prometheus or of the pipeline: what it means, where to look, what to do."""
    if not alert:
        say(*names())
        return
    try:
        say(page(alert).rstrip())
    except KeyError as error:
        raise BadInput(f"no page is called {alert[:100]!r}: `zonepulse runbook` lists them") from error
