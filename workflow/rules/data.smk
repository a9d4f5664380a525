rule data_set:
    """Make one data set of the scale, with its card."""
    input:
        flow.reads("data_set"),
    output:
        folder=directory("<results>/data/{dataset}"),
        lineage="<results>/lineage/data_set/{dataset}.json",
    log:
        "<results>/logs/data_set/{dataset}.log",
    wildcard_constraints:
        **flow.allowed("data_set"),
    conda:
        "../envs/flopwise.yaml"
    resources:
        **flow.resources("data_set"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("data_set"),
        code=flow.code_of("data_set"),
    shell:
        "{params.flopwise} run data_set {wildcards.dataset} > {log:q} 2>&1"


rule data_pool:
    """Make a pool of image-text pairs; first of all, because every initial model waits for the one called `pool`."""
    input:
        flow.reads("data_pool"),
    output:
        folder=directory("<results>/data/{pool}"),
        lineage="<results>/lineage/data_pool/{pool}.json",
    log:
        "<results>/logs/data_pool/{pool}.log",
    wildcard_constraints:
        **flow.allowed("data_pool"),
    priority: 20
    conda:
        "../envs/flopwise.yaml"
    resources:
        **flow.resources("data_pool"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("data_pool"),
        code=flow.code_of("data_pool"),
    shell:
        "{params.flopwise} run data_pool {wildcards.pool} > {log:q} 2>&1"


rule data_material:
    """Make one material for the other studies (pools, masks, flow, clips, battles, text), with its card."""
    input:
        flow.reads("data_material"),
    output:
        folder=directory("<results>/data/{material}"),
        lineage="<results>/lineage/data_material/{material}.json",
    log:
        "<results>/logs/data_material/{material}.log",
    wildcard_constraints:
        **flow.allowed("data_material"),
    conda:
        "../envs/flopwise.yaml"
    resources:
        **flow.resources("data_material"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("data_material"),
        code=flow.code_of("data_material"),
    shell:
        "{params.flopwise} run data_material {wildcards.material} > {log:q} 2>&1"


rule data_index:
    """Write the hash of every data set's card into one file: an input for the jobs that read them all."""
    input:
        flow.reads("data_index"),
    output:
        flow.writes("data_index"),
        lineage="<results>/lineage/data_index.json",
    log:
        "<results>/logs/data_index.log",
    localrule: True
    conda:
        "../envs/flopwise.yaml"
    params:
        flopwise=flow.command,
        code=flow.code_of("data_index"),
    shell:
        "{params.flopwise} run data_index > {log:q} 2>&1"
