"""Commands around the report."""

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """What became of the claims."""


@app.command()
def summary(context: typer.Context) -> None:
    """Print where the report is, what became of the claims and what it all cost."""
    from flopwise.provenance.ledger import core_seconds, ledger, ledger_text
    from flopwise.report.decisions import judged
    from flopwise.report.verdicts import console
    from flopwise.workflow import Workflow

    settings = context.obj()
    claims = [claim for study in Workflow(settings).studies.values() for claim in judged(study)["claims"]]
    print(f"\nreport: {settings.results / 'report' / 'report.html'} (copy: report/report.html)")
    print(f"claims at scale {settings.config.scale}:", *console(claims), sep="\n")
    total = sum(seconds for seconds, _ in core_seconds(settings).values())
    print(f"cost: {total:,.0f} core-seconds, the workflow's engine included", ledger_text(ledger(settings)), sep="\n")
