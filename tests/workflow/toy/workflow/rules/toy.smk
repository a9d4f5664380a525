rule toy_train:
    """Draw the numbers of one sample size."""
    input:
        flow.reads("toy_train"),
    output:
        scores="<results>/toy/train/{size}.csv",
        lineage="<results>/lineage/toy_train/{size}.json",
    log:
        "<results>/logs/toy_train/{size}.log",
    wildcard_constraints:
        **flow.allowed("toy_train"),
    conda:
        "../envs/flopwise.yaml"
    resources:
        **flow.resources("toy_train"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("toy_train"),
        code=flow.code_of("toy_train"),
    shell:
        "{params.flopwise} run toy_train {wildcards.size} > {log:q} 2>&1"
