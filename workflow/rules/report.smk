rule world_figures:
    """Draw the data sets and what the models know of them before any update."""
    input:
        flow.notebook_sources("world"),
        flow.sets,
        flow.pool_folders,
        flow.drawn_streams,
        tables="<results>/continual/tables/zero_shot.csv",
    output:
        flow.drawn("world"),
        notebook="<results>/world/figures/world.ipynb",
        lineage="<results>/lineage/world_figures.json",
    log:
        "<results>/logs/world_figures.log",
    benchmark:
        "<results>/benchmarks/world_figures.jsonl"
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    params:
        flopwise=flow.command,
    shell:
        "{params.flopwise} report figures world {output.notebook} --lineage {output.lineage} > {log} 2>&1"


rule materials_figures:
    """Draw the material of the other studies: pools, masks, flow, clips, battles, text."""
    input:
        flow.notebook_sources("materials"),
        flow.material_folders,
    output:
        flow.drawn("materials"),
        notebook="<results>/materials/figures/materials.ipynb",
        lineage="<results>/lineage/materials_figures.json",
    log:
        "<results>/logs/materials_figures.log",
    benchmark:
        "<results>/benchmarks/materials_figures.jsonl"
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    params:
        flopwise=flow.command,
    shell:
        "{params.flopwise} report figures materials {output.notebook} --lineage {output.lineage} > {log} 2>&1"


for name in flow.continual_notebooks:

    rule:
        """Draw the figures and tables of one notebook of the continual study from the study's tables."""
        name:
            f"{name}_figures"
        input:
            flow.notebook_sources(name),
            tables=flow.tables,
        output:
            flow.drawn(name),
            notebook=f"<results>/continual/figures/{name}.ipynb",
            lineage=f"<results>/lineage/{name}_figures.json",
        log:
            f"<results>/logs/{name}_figures.log",
        benchmark:
            f"<results>/benchmarks/{name}_figures.jsonl"
        conda:
            "../envs/flopwise.yaml"
        threads: 1
        params:
            flopwise=flow.command,
            notebook=name,
        shell:
            "{params.flopwise} report figures {params.notebook} {output.notebook} --lineage {output.lineage}"
            " > {log} 2>&1"


rule report:
    """Build the self-contained report page from executed notebooks, claims and lineage records."""
    input:
        flow.page_sources,
        flow.chapters,
        claims="<results>/continual/tables/claims.json",
        tables=flow.tables,
    output:
        page="<results>/report/report.html",
        lineage="<results>/lineage/report.json",
    log:
        "<results>/logs/report.log",
    benchmark:
        "<results>/benchmarks/report.jsonl"
    localrule: True
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    params:
        flopwise=flow.command,
    shell:
        "{params.flopwise} report page {output.page} --lineage {output.lineage} > {log} 2>&1"


rule report_pdf:
    """Build the report as PDF; not part of the default target, needs the extra `pdf`."""
    input:
        flow.page_sources,
        flow.sources("flopwise.report.pdf"),
        flow.chapters,
        claims="<results>/continual/tables/claims.json",
        tables=flow.tables,
    output:
        page="<results>/report/report.pdf",
        lineage="<results>/lineage/report_pdf.json",
    log:
        "<results>/logs/report_pdf.log",
    benchmark:
        "<results>/benchmarks/report_pdf.jsonl"
    localrule: True
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    params:
        flopwise=flow.command,
    shell:
        "{params.flopwise} report pdf {output.page} --lineage {output.lineage} > {log} 2>&1"
