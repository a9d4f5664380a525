# FoMo-in-Flux: the verbs of the continual study that no other study has in this form.
rule continual_pretrain:
    """Make the initial weights of a model: pre-train it on the pool, or take over a released checkpoint."""
    input:
        flow.reads("continual_pretrain"),
    output:
        base=directory("<results>/continual/base/{model}"),
        lineage="<results>/lineage/continual_pretrain/{model}.json",
    log:
        "<results>/logs/continual_pretrain/{model}.log",
    wildcard_constraints:
        **flow.allowed("continual_pretrain"),
    priority: 10
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("continual_pretrain")
    resources:
        **flow.resources("continual_pretrain"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("continual_pretrain"),
        code=flow.code_of("continual_pretrain"),
    shell:
        "{params.flopwise} --threads {threads} run continual_pretrain {wildcards.model} > {log:q} 2>&1"


rule continual_start:
    """Score a model's initial weights on the full test sets and build its streams."""
    input:
        flow.reads("continual_start"),
    output:
        streams=flow.studies["continual"].streams("{model}"),
        scores="<results>/continual/start/{model}/zero_shot.csv",
        lineage="<results>/lineage/continual_start/{model}.json",
    log:
        "<results>/logs/continual_start/{model}.log",
    wildcard_constraints:
        **flow.allowed("continual_start"),
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("continual_start")
    resources:
        **flow.resources("continual_start"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("continual_start"),
        code=flow.code_of("continual_start"),
    shell:
        "{params.flopwise} --threads {threads} run continual_start {wildcards.model} > {log:q} 2>&1"


rule continual_train:
    """Run the trainings of one point of the grid (model, budget, mixture, method), evaluating after every task."""
    input:
        flow.reads("continual_train"),
    output:
        metrics="<results>/continual/train/{model}/{budget}/{mixture}/{method}/{part}.csv",
        chunks="<results>/continual/train/{model}/{budget}/{mixture}/{method}/{part}.chunks.csv",
        inside="<results>/continual/train/{model}/{budget}/{mixture}/{method}/{part}.inside.csv",
        runs="<results>/continual/train/{model}/{budget}/{mixture}/{method}/{part}.json",
        checkpoints=directory(
            "<results>/continual/checkpoints/{model}/{budget}/{mixture}/{method}/{part}"
        ),
        lineage="<results>/lineage/continual_train/{model}/{budget}/{mixture}/{method}/{part}.json",
    log:
        "<results>/logs/continual_train/{model}/{budget}/{mixture}/{method}/{part}.log",
    wildcard_constraints:
        **flow.allowed("continual_train"),
    priority: 5
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("continual_train")
    resources:
        **flow.resources("continual_train"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("continual_train"),
        code=flow.code_of("continual_train"),
        job="{model}/{budget}/{mixture}/{method}/{part}",
    shell:
        "{params.flopwise} --threads {threads} run continual_train {params.job} > {log:q} 2>&1"


rule continual_tune:
    """Try the learning rates of a method on validation data."""
    input:
        flow.reads("continual_tune"),
    output:
        scores="<results>/continual/tuning/{tuned}.csv",
        lineage="<results>/lineage/continual_tune/{tuned}.json",
    log:
        "<results>/logs/continual_tune/{tuned}.log",
    wildcard_constraints:
        **flow.allowed("continual_tune"),
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("continual_tune")
    resources:
        **flow.resources("continual_tune"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("continual_tune"),
        code=flow.code_of("continual_tune"),
    shell:
        "{params.flopwise} --threads {threads} run continual_tune {wildcards.tuned} > {log:q} 2>&1"


rule continual_evaluate:
    """Score the final weights of a model's cells on the full test sets."""
    input:
        flow.reads("continual_evaluate"),
    output:
        metrics="<results>/continual/metrics/{model}/{part}.csv",
        lineage="<results>/lineage/continual_evaluate/{model}/{part}.json",
    log:
        "<results>/logs/continual_evaluate/{model}/{part}.log",
    wildcard_constraints:
        **flow.allowed("continual_evaluate"),
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("continual_evaluate")
    resources:
        **flow.resources("continual_evaluate"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("continual_evaluate"),
        code=flow.code_of("continual_evaluate"),
        job="{model}/{part}",
    shell:
        "{params.flopwise} --threads {threads} run continual_evaluate {params.job} > {log:q} 2>&1"
