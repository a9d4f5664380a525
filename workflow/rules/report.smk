rule world_figures:
    """Draw the data sets and what the models know of them before any update."""
    input:
        flow.notebook_sources("world"),
        flow.sets,
        flow.pool,
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


rule continual_figures:
    """Draw every figure and table of the continual study from its tables."""
    input:
        flow.notebook_sources("continual_trajectories"),
        tables=flow.tables,
    output:
        flow.drawn("continual_trajectories"),
        notebook="<results>/continual/figures/continual_trajectories.ipynb",
        lineage="<results>/lineage/continual_figures.json",
    log:
        "<results>/logs/continual_figures.log",
    benchmark:
        "<results>/benchmarks/continual_figures.jsonl"
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    params:
        flopwise=flow.command,
    shell:
        "{params.flopwise} report figures continual_trajectories {output.notebook} --lineage {output.lineage}"
        " > {log} 2>&1"


rule report:
    """Build the self-contained report page from executed notebooks, claims and lineage records."""
    input:
        flow.page_sources,
        flow.figures("world"),
        flow.figures("materials"),
        flow.figures("continual_trajectories"),
        flow.figures("cost"),
        cost="<results>/cost/figures/cost.ipynb",
        world="<results>/world/figures/world.ipynb",
        materials="<results>/materials/figures/materials.ipynb",
        continual="<results>/continual/figures/continual_trajectories.ipynb",
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
        flow.figures("world"),
        flow.figures("materials"),
        flow.figures("continual_trajectories"),
        flow.figures("cost"),
        cost="<results>/cost/figures/cost.ipynb",
        world="<results>/world/figures/world.ipynb",
        materials="<results>/materials/figures/materials.ipynb",
        continual="<results>/continual/figures/continual_trajectories.ipynb",
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
