"""Commands around the report."""

from collections.abc import Sequence
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """What became of the claims."""


@app.command()
def summary(context: typer.Context) -> None:
    """Print where the report is, what became of the claims and what it all cost."""
    from flopwise.provenance.ledger import core_seconds, ledger, ledger_text
    from flopwise.report import kept
    from flopwise.report.verdicts import console
    from flopwise.workflow import Workflow

    settings = context.obj()
    workflow = Workflow(settings)
    claims = _judged(workflow)
    print(f"\nreport: {settings.results / 'report' / 'report.html'} (copy: report/report.html)")
    print(
        f"claims at scale {settings.config.scale}:",
        *console(claims, [chapter for chapter, _ in workflow.chapters]),
        sep="\n",
    )
    if compared := kept.sentence(claims, kept.latest(settings.config.scale)):
        print(compared)
    total = sum(seconds for seconds, _ in core_seconds(settings).values())
    print(f"cost: {total:,.0f} core-seconds, the workflow's engine included", ledger_text(ledger(settings)), sep="\n")


@app.command()
def keep(
    context: typer.Context,
    study: Annotated[
        list[str] | None, typer.Option(help="Only this study, where others did not run; repeatable.")
    ] = None,
) -> None:
    """Keep the small tables of a finished run in docs/runs/, where later reports of the scale find them."""
    from flopwise.core.choices import check
    from flopwise.report import kept
    from flopwise.workflow import Workflow

    workflow = Workflow(context.obj())
    studies = [check("study", name, workflow.studies) for name in study or workflow.studies]
    print(kept.keep(workflow, _judged(workflow, studies), studies))


def _judged(workflow, studies: Sequence[str] = ()) -> list[dict]:
    """All checks and claims of finished studies (all of the scale's by default), with what `decide` has found since."""
    from flopwise.report.decisions import judged

    return [claim for name in studies or workflow.studies for claim in judged(workflow.studies[name])["claims"]]
