rule data_set:
    """Make one data set of the scale, or the pre-training pool, with its card."""
    input:
        flow.sources("flopwise.data.build"),
    output:
        folder=directory("<results>/data/{dataset}"),
        lineage="<results>/lineage/data_set/{dataset}.json",
    params:
        flopwise=flow.command,
        digest=flow.data_digest,
    log:
        "<results>/logs/data_set/{dataset}.log",
    benchmark:
        "<results>/benchmarks/data_set/{dataset}.jsonl"
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "{params.flopwise} data build {wildcards.dataset} {output.folder} --lineage {output.lineage} > {log} 2>&1"
