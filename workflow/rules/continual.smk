rule continual_plan:
    """Write every cell of the grid with its parameters, steps and cost, before anything runs."""
    input:
        flow.sources("plan"),
    output:
        cells="<results>/continual/cells.tsv",
        lineage="<results>/lineage/continual_plan.json",
    log:
        "<results>/logs/continual_plan.log",
    benchmark:
        "<results>/benchmarks/continual_plan.jsonl"
    priority: 30
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        flopwise=flow.command,
        digest=flow.grid_digest,
    shell:
        "{params.flopwise} continual plan {output.cells} --lineage {output.lineage} > {log} 2>&1"


rule continual_pretrain:
    """Make the initial weights of a model: pre-train it on the pool, or take over a released checkpoint."""
    input:
        flow.pool,
        flow.sources("pretrain"),
    output:
        base=directory("<results>/continual/base/{model}"),
        lineage="<results>/lineage/continual_pretrain/{model}.json",
    log:
        "<results>/logs/continual_pretrain/{model}.log",
    benchmark:
        "<results>/benchmarks/continual_pretrain/{model}.jsonl"
    priority: 10
    conda:
        "../envs/flopwise.yaml"
    threads: flow.job.threads
    resources:
        mem_mb=lambda wildcards, attempt: flow.job.memory_mb * attempt,
        runtime=lambda wildcards, attempt: flow.job.minutes * attempt,
        gpu=flow.job.gpus,
    params:
        flopwise=flow.command,
        digest=flow.model_digest,
    shell:
        "{params.flopwise} --threads {threads} continual pretrain {output.base}"
        " --model {wildcards.model} --lineage {output.lineage} > {log} 2>&1"


rule continual_start:
    """Score a model's initial weights on the full test sets and build its streams."""
    input:
        flow.sets,
        flow.pool,
        flow.sources("start"),
        base="<results>/continual/base/{model}",
    output:
        flow.streams,
        scores="<results>/continual/start/{model}/zero_shot.csv",
        lineage="<results>/lineage/continual_start/{model}.json",
    log:
        "<results>/logs/continual_start/{model}.log",
    benchmark:
        "<results>/benchmarks/continual_start/{model}.jsonl"
    conda:
        "../envs/flopwise.yaml"
    threads: flow.job.threads
    resources:
        mem_mb=lambda wildcards, attempt: flow.job.memory_mb * attempt,
        runtime=lambda wildcards, attempt: flow.job.minutes * attempt,
        gpu=flow.job.gpus,
    params:
        flopwise=flow.command,
        digest=flow.streams_digest,
    shell:
        "{params.flopwise} --threads {threads} continual start {input.base} {output.scores}"
        " --model {wildcards.model} --lineage {output.lineage} > {log} 2>&1"


rule continual_train:
    """Run the trainings of one point of the grid (model, budget, mixture, method), evaluating after every task."""
    input:
        flow.sets,
        flow.pools_of_job,
        flow.train_sources,
        flow.streams_of_job,
        base="<results>/continual/base/{model}",
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
    benchmark:
        "<results>/benchmarks/continual_train/{model}/{budget}/{mixture}/{method}/{part}.jsonl"
    priority: 5
    conda:
        "../envs/flopwise.yaml"
    threads: flow.job.threads
    resources:
        mem_mb=lambda wildcards, attempt: flow.job.memory_mb * attempt,
        runtime=lambda wildcards, attempt: flow.job.minutes * attempt,
        gpu=flow.job.gpus,
    params:
        flopwise=flow.command,
        digest=flow.job_digest,
        job="{model}/{budget}/{mixture}/{method}/{part}",
    shell:
        "{params.flopwise} --threads {threads} continual train {output.metrics} {output.checkpoints}"
        " --job {params.job} --lineage {output.lineage} > {log} 2>&1"


rule continual_tune:
    """Try the learning rates of a method on validation data."""
    input:
        flow.sets,
        flow.tune_inputs,
        flow.tune_sources,
    output:
        scores="<results>/continual/tuning/{tuned}.csv",
        lineage="<results>/lineage/continual_tune/{tuned}.json",
    log:
        "<results>/logs/continual_tune/{tuned}.log",
    benchmark:
        "<results>/benchmarks/continual_tune/{tuned}.jsonl"
    conda:
        "../envs/flopwise.yaml"
    threads: flow.job.threads
    resources:
        mem_mb=lambda wildcards, attempt: flow.job.memory_mb * attempt,
        runtime=lambda wildcards, attempt: flow.job.minutes * attempt,
        gpu=flow.job.gpus,
    params:
        flopwise=flow.command,
        digest=flow.tune_digest,
    shell:
        "{params.flopwise} --threads {threads} continual tune {output.scores}"
        " --method {wildcards.tuned} --lineage {output.lineage} > {log} 2>&1"


rule continual_evaluate:
    """Score the final weights of a model's cells on the full test sets."""
    input:
        flow.sets,
        flow.sources("evaluate"),
        checkpoints=flow.checkpoints_of_evaluation,
    output:
        metrics="<results>/continual/metrics/{model}/{part}.csv",
        lineage="<results>/lineage/continual_evaluate/{model}/{part}.json",
    log:
        "<results>/logs/continual_evaluate/{model}/{part}.log",
    benchmark:
        "<results>/benchmarks/continual_evaluate/{model}/{part}.jsonl"
    conda:
        "../envs/flopwise.yaml"
    threads: flow.job.threads
    resources:
        mem_mb=lambda wildcards, attempt: flow.job.memory_mb * attempt,
        runtime=lambda wildcards, attempt: flow.job.minutes * attempt,
        gpu=flow.job.gpus,
    params:
        flopwise=flow.command,
        checkpoints=f"{flow.results}/continual/checkpoints",
        job="{model}/{part}",
    shell:
        "{params.flopwise} --threads {threads} continual evaluate {params.checkpoints} {output.metrics}"
        " --job {params.job} --lineage {output.lineage} > {log} 2>&1"


rule continual_collect:
    """Join the metrics of all jobs into tidy tables."""
    input:
        flow.metrics,
        flow.sources("collect"),
        cells="<results>/continual/cells.tsv",
    output:
        flow.tables,
        lineage="<results>/lineage/continual_collect.json",
    log:
        "<results>/logs/continual_collect.log",
    benchmark:
        "<results>/benchmarks/continual_collect.jsonl"
    localrule: True
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    params:
        flopwise=flow.command,
        digest=flow.grid_digest,
    shell:
        "{params.flopwise} continual collect --lineage {output.lineage} > {log} 2>&1"


rule continual_claims:
    """Apply the rule of every published claim of the study to its tables."""
    input:
        flow.sources("claims"),
        tables=flow.tables,
        rules=flow.claim_rules,
    output:
        claims="<results>/continual/tables/claims.json",
        lineage="<results>/lineage/continual_claims.json",
    log:
        "<results>/logs/continual_claims.log",
    benchmark:
        "<results>/benchmarks/continual_claims.jsonl"
    localrule: True
    conda:
        "../envs/flopwise.yaml"
    threads: 1
    params:
        flopwise=flow.command,
    shell:
        "{params.flopwise} continual claims {output.claims} --lineage {output.lineage} > {log} 2>&1"
