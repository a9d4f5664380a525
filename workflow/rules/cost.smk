rule cost_tables:
    """Re-derive the papers' published cost figures and price the scales."""
    input:
        flow.sources("flopwise.cost.tables"),
        flow.sources("flopwise.planning"),
        published=flow.published,
        presets=flow.presets,
    output:
        flow.cost_tables,
        lineage="<results>/lineage/cost_tables.json",
    log:
        "<results>/logs/cost_tables.log",
    benchmark:
        "<results>/benchmarks/cost_tables.jsonl"
    priority: 8
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        flopwise=flow.command,
        folder=subpath(output[0], parent=True),
        checked=flow.settings.preset.cost.checked_models,
        priced=flow.settings.preset.cost.priced_scales,
    shell:
        "{params.flopwise} cost tables {params.folder} --lineage {output.lineage} > {log} 2>&1"


rule cost_figures:
    """Draw re-derived against published cost, and the training rates of this run."""
    input:
        flow.notebook_sources("cost"),
        flow.cost_tables,
        cells="<results>/continual/tables/cells.csv",
    output:
        flow.drawn("cost"),
        notebook="<results>/cost/figures/cost.ipynb",
        lineage="<results>/lineage/cost_figures.json",
    log:
        "<results>/logs/cost_figures.log",
    benchmark:
        "<results>/benchmarks/cost_figures.jsonl"
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    params:
        flopwise=flow.command,
    shell:
        "{params.flopwise} report figures cost {output.notebook} --lineage {output.lineage} > {log} 2>&1"
