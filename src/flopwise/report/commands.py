"""Commands around the report."""

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """What became of the claims."""


@app.command()
def summary(context: typer.Context) -> None:
    """Print where the report is and what became of the claims."""
    from flopwise.core.io import read_json
    from flopwise.report.verdicts import console
    from flopwise.workflow import Workflow

    settings = context.obj()
    files = [study.job("claims").outputs[0] for study in Workflow(settings).studies.values()]
    claims = [claim for file in files for claim in read_json(file)["claims"]]
    print(f"\nreport: {settings.results / 'report' / 'report.html'} (copy: report/report.html)")
    print(f"claims at scale {settings.config.scale}:", *console(claims), sep="\n")
