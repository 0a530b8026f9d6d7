"""`nmt report`: how training went, in the terminal, on a page, or as JSON."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.options import Common, Force, Json
from nmt.cli.output import working, writable_page, write_line

Runs = Annotated[list[Path] | None, typer.Argument(help="Run directories.", metavar="RUN", show_default="the run")]
Html = Annotated[Path | None, typer.Option(help="Write a self-contained page with charts and samples.")]


def report(
    common: Common, runs: Runs = None, html: Html = None, json_output: Json = False, force: Force = False
) -> None:
    """Summarize training: losses, scores, throughput, data, settings and samples of one or more runs."""
    from nmt.runs.report import describe_runs

    page = html and writable_page(html, force=force)
    with working(quiet=common.quiet) as progress:
        descriptions = describe_runs(runs or [common.run.path], progress)
    if page:
        from nmt.cli.pages import report_page

        page(report_page(descriptions))
    if json_output:
        write_line(json.dumps(descriptions, ensure_ascii=False))
    if html or json_output:
        return

    from nmt.cli.views.runs import draw_runs

    draw_runs(descriptions)
