# Perceiver IO: the verbs of the Perceiver study that no other study has in this form.
rule perceiver_train:
    """Train the arms of one task alike, Perceiver IO and its baselines, and score them."""
    input:
        flow.reads("perceiver_train"),
    output:
        runs="<results>/perceiver/train/{task}/{part}.json",
        lineage="<results>/lineage/perceiver_train/{task}/{part}.json",
    log:
        "<results>/logs/perceiver_train/{task}/{part}.log",
    wildcard_constraints:
        **flow.allowed("perceiver_train"),
    priority: 5
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("perceiver_train")
    resources:
        **flow.resources("perceiver_train"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("perceiver_train"),
        code=flow.code_of("perceiver_train"),
        job="{task}/{part}",
    shell:
        "{params.flopwise} --threads {threads} run perceiver_train {params.job} > {log:q} 2>&1"


rule perceiver_pretrain:
    """Train a published model from scratch on your copies, and score it as the released one is."""
    input:
        flow.reads("perceiver_pretrain"),
    output:
        model=directory("<results>/perceiver/pretrain/{recipe}"),
        lineage="<results>/lineage/perceiver_pretrain/{recipe}.json",
    log:
        "<results>/logs/perceiver_pretrain/{recipe}.log",
    wildcard_constraints:
        **flow.allowed("perceiver_pretrain"),
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("perceiver_pretrain")
    resources:
        **flow.resources("perceiver_pretrain"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("perceiver_pretrain"),
        code=flow.code_of("perceiver_pretrain"),
        job="{recipe}",
    shell:
        "{params.flopwise} --threads {threads} run perceiver_pretrain {params.job} > {log:q} 2>&1"


rule perceiver_released:
    """Score a released checkpoint on the set that the paper scored it on."""
    input:
        flow.reads("perceiver_released"),
    output:
        scores="<results>/perceiver/released/{evaluation}.json",
        lineage="<results>/lineage/perceiver_released/{evaluation}.json",
    log:
        "<results>/logs/perceiver_released/{evaluation}.log",
    wildcard_constraints:
        **flow.allowed("perceiver_released"),
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("perceiver_released")
    resources:
        **flow.resources("perceiver_released"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("perceiver_released"),
        code=flow.code_of("perceiver_released"),
        job="{evaluation}",
    shell:
        "{params.flopwise} --threads {threads} run perceiver_released {params.job} > {log:q} 2>&1"


rule perceiver_scaling:
    """Count and measure what inputs, outputs and depth cost, a transformer beside it."""
    input:
        flow.reads("perceiver_scaling"),
    output:
        flow.writes("perceiver_scaling"),
        lineage="<results>/lineage/perceiver_scaling.json",
    log:
        "<results>/logs/perceiver_scaling.log",
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("perceiver_scaling")
    resources:
        **flow.resources("perceiver_scaling"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("perceiver_scaling"),
        code=flow.code_of("perceiver_scaling"),
    shell:
        "{params.flopwise} --threads {threads} run perceiver_scaling > {log:q} 2>&1"
