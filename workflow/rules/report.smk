for notebook in flow.notebooks:

    rule:
        """Draw the figures and tables of one notebook from the tables that it reads."""
        name:
            f"{notebook.name}_figures"
        input:
            flow.reads(f"{notebook.name}_figures"),
        output:
            flow.drawn(notebook),
            lineage=f"<results>/lineage/{notebook.name}_figures.json",
        log:
            f"<results>/logs/{notebook.name}_figures.log",
        conda:
            "../envs/flopwise.yaml"
        params:
            flopwise=flow.command,
            rule=f"{notebook.name}_figures",
            settings=flow.settings_of(f"{notebook.name}_figures"),
            code=flow.code_of(f"{notebook.name}_figures"),
        shell:
            "{params.flopwise} run {params.rule} > {log:q} 2>&1"


rule report:
    """Build the self-contained report page from executed notebooks, claims and lineage records."""
    input:
        flow.reads("report"),
    output:
        page="<results>/report/report.html",
        lineage="<results>/lineage/report.json",
    log:
        "<results>/logs/report.log",
    localrule: True
    conda:
        "../envs/flopwise.yaml"
    params:
        flopwise=flow.command,
        settings=flow.settings_of("report"),
        code=flow.code_of("report"),
    shell:
        "{params.flopwise} run report > {log:q} 2>&1"


rule report_pdf:
    """Build the report as PDF; not part of the default target, needs the extra `pdf`."""
    input:
        flow.reads("report_pdf"),
    output:
        page="<results>/report/report.pdf",
        lineage="<results>/lineage/report_pdf.json",
    log:
        "<results>/logs/report_pdf.log",
    localrule: True
    conda:
        "../envs/flopwise.yaml"
    params:
        flopwise=flow.command,
        settings=flow.settings_of("report_pdf"),
        code=flow.code_of("report_pdf"),
    shell:
        "{params.flopwise} run report_pdf > {log:q} 2>&1"
