"""`nmt report`: what became of one run or several, in the terminal, on a page, or as JSON."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.options import Common, Json
from nmt.cli.output import working, writable_page, write_line

Runs = Annotated[list[Path] | None, typer.Argument(help="Runs to look at side by side.", show_default="the run")]
Html = Annotated[Path | None, typer.Option(help="Write a page with charts and samples, which needs no network.")]


def report(common: Common, runs: Runs = None, html: Html = None, json_output: Json = False) -> None:
    """Show how training went: losses, scores, speed, data, settings and samples, of one run or several."""
    from nmt.training.report import describe_runs

    page = html and writable_page(html)
    with working(quiet=common.quiet) as progress:
        found = describe_runs(runs or [common.run], progress)
    if page:
        from nmt.cli.pages import report_page

        page(report_page(found))
    if json_output:
        write_line(json.dumps(found, ensure_ascii=False))
    if html or json_output:
        return

    from nmt.cli.views.runs import draw_runs

    draw_runs(found)
