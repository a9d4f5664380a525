rule data_set:
    """Make one data set of the scale, with its card."""
    input:
        flow.set_sources,
    output:
        folder=directory("<results>/data/{dataset}"),
        lineage="<results>/lineage/data_set/{dataset}.json",
    log:
        "<results>/logs/data_set/{dataset}.log",
    benchmark:
        "<results>/benchmarks/data_set/{dataset}.jsonl"
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    resources:
        mem_mb=flow.data_memory,
        runtime=flow.data_minutes,
    params:
        flopwise=flow.command,
        digest=flow.data_digest,
    shell:
        "{params.flopwise} data build {wildcards.dataset} {output.folder} --lineage {output.lineage} > {log} 2>&1"


rule data_pool:
    """Make a pool of image-text pairs; first of all, because every initial model waits for the one called `pool`."""
    input:
        flow.pool_sources,
    output:
        folder=directory("<results>/data/{pool}"),
        lineage="<results>/lineage/data_pool/{pool}.json",
    log:
        "<results>/logs/data_pool/{pool}.log",
    benchmark:
        "<results>/benchmarks/data_pool/{pool}.jsonl"
    priority: 20
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    resources:
        mem_mb=flow.data_memory,
        runtime=flow.data_minutes,
    params:
        flopwise=flow.command,
        digest=flow.pool_digest,
    shell:
        "{params.flopwise} data build {wildcards.pool} {output.folder} --lineage {output.lineage} > {log} 2>&1"


rule data_material:
    """Make one material for the other studies (pools, masks, flow, clips, battles, text), with its card."""
    input:
        flow.material_sources,
    output:
        folder=directory("<results>/data/{material}"),
        lineage="<results>/lineage/data_material/{material}.json",
    log:
        "<results>/logs/data_material/{material}.log",
    benchmark:
        "<results>/benchmarks/data_material/{material}.jsonl"
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        flopwise=flow.command,
        digest=flow.material_digest,
    shell:
        "{params.flopwise} data build {wildcards.material} {output.folder} --lineage {output.lineage} > {log} 2>&1"
