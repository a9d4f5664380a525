rule cost_tables:
    """Re-derive the papers' published cost figures and price the scales."""
    input:
        flow.reads("cost_tables"),
    output:
        flow.writes("cost_tables"),
        lineage="<results>/lineage/cost_tables.json",
    log:
        "<results>/logs/cost_tables.log",
    priority: 8
    conda:
        "../envs/flopwise.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        flopwise=flow.command,
        settings=flow.settings_of("cost_tables"),
        code=flow.code_of("cost_tables"),
    shell:
        "{params.flopwise} run cost_tables > {log:q} 2>&1"
