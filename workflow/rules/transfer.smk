# Fantastic Gains: the verbs of the transfer study that no other study has in this form.
rule transfer_zoo:
    """Train a part of the zoo, each model by a recipe of its own, or take over released models."""
    input:
        flow.reads("transfer_zoo"),
    output:
        models=directory("<results>/transfer/zoo/{part}"),
        lineage="<results>/lineage/transfer_zoo/{part}.json",
    log:
        "<results>/logs/transfer_zoo/{part}.log",
    wildcard_constraints:
        **flow.allowed("transfer_zoo"),
    priority: 10
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("transfer_zoo")
    resources:
        **flow.resources("transfer_zoo"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("transfer_zoo"),
        code=flow.code_of("transfer_zoo"),
    shell:
        "{params.flopwise} --threads {threads} run transfer_zoo {wildcards.part} > {log:q} 2>&1"


rule transfer_predictions:
    """Ask a part of the zoo about the test pictures, and about every kept view of the transfer set."""
    input:
        flow.reads("transfer_predictions"),
    output:
        said=directory("<results>/transfer/predictions/{part}"),
        lineage="<results>/lineage/transfer_predictions/{part}.json",
    log:
        "<results>/logs/transfer_predictions/{part}.log",
    wildcard_constraints:
        **flow.allowed("transfer_predictions"),
    priority: 8
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("transfer_predictions")
    resources:
        **flow.resources("transfer_predictions"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("transfer_predictions"),
        code=flow.code_of("transfer_predictions"),
    shell:
        "{params.flopwise} --threads {threads} run transfer_predictions {wildcards.part} > {log:q} 2>&1"


rule transfer_flips:
    """Count what each model has right that another has wrong, over all pairs and by class."""
    input:
        flow.reads("transfer_flips"),
    output:
        flow.writes("transfer_flips"),
        lineage="<results>/lineage/transfer_flips.json",
    log:
        "<results>/logs/transfer_flips.log",
    conda:
        "../envs/flopwise.yaml"
    resources:
        **flow.resources("transfer_flips"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("transfer_flips"),
        code=flow.code_of("transfer_flips"),
    shell:
        "{params.flopwise} run transfer_flips > {log:q} 2>&1"


rule transfer_transfer:
    """Run the transfers of one student, from every teacher and by every method."""
    input:
        flow.reads("transfer_transfer"),
    output:
        runs=directory("<results>/transfer/transfer/{student}/{part}"),
        lineage="<results>/lineage/transfer_transfer/{student}/{part}.json",
    log:
        "<results>/logs/transfer_transfer/{student}/{part}.log",
    wildcard_constraints:
        **flow.allowed("transfer_transfer"),
    priority: 5
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("transfer_transfer")
    resources:
        **flow.resources("transfer_transfer"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("transfer_transfer"),
        code=flow.code_of("transfer_transfer"),
        job="{student}/{part}",
    shell:
        "{params.flopwise} --threads {threads} run transfer_transfer {params.job} > {log:q} 2>&1"
