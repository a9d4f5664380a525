# Where Should I Spend My FLOPS?: the verbs of the efficiency study that no other study has in this form.
rule efficiency_pretrain:
    """Pre-train trunks with one objective; every budget branches off with a cooldown of its own."""
    input:
        flow.reads("efficiency_pretrain"),
    output:
        encoders=directory("<results>/efficiency/pretrain/{method}/{size}/{part}"),
        lineage="<results>/lineage/efficiency_pretrain/{method}/{size}/{part}.json",
    log:
        "<results>/logs/efficiency_pretrain/{method}/{size}/{part}.log",
    wildcard_constraints:
        **flow.allowed("efficiency_pretrain"),
    priority: 5
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("efficiency_pretrain")
    resources:
        **flow.resources("efficiency_pretrain"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("efficiency_pretrain"),
        code=flow.code_of("efficiency_pretrain"),
        job="{method}/{size}/{part}",
    shell:
        "{params.flopwise} --threads {threads} run efficiency_pretrain {params.job} > {log:q} 2>&1"


rule efficiency_segment:
    """Transfer the encoders of one objective to the segmentation of few labelled scenes, fine-tuned and frozen."""
    input:
        flow.reads("efficiency_segment"),
    output:
        scores="<results>/efficiency/segment/{method}/{size}/{part}.json",
        lineage="<results>/lineage/efficiency_segment/{method}/{size}/{part}.json",
    log:
        "<results>/logs/efficiency_segment/{method}/{size}/{part}.log",
    wildcard_constraints:
        **flow.allowed("efficiency_segment"),
    priority: 5
    conda:
        "../envs/flopwise.yaml"
    threads: flow.threads("efficiency_segment")
    resources:
        **flow.resources("efficiency_segment"),
    params:
        flopwise=flow.command,
        settings=flow.settings_of("efficiency_segment"),
        code=flow.code_of("efficiency_segment"),
        job="{method}/{size}/{part}",
    shell:
        "{params.flopwise} --threads {threads} run efficiency_segment {params.job} > {log:q} 2>&1"
