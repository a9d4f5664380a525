# The verbs that are the same in every study; those that differ stand in <study>.smk.
for study in flow.studies:

    rule:
        """Write every cell of the study's grid with its parameters and cost, before anything runs."""
        name:
            f"{study}_plan"
        input:
            flow.reads(f"{study}_plan"),
        output:
            flow.writes(f"{study}_plan"),
            lineage=f"<results>/lineage/{study}_plan.json",
        log:
            f"<results>/logs/{study}_plan.log",
        priority: 30
        conda:
            "../envs/flopwise.yaml"
        resources:
            **flow.resources(f"{study}_plan"),
        params:
            flopwise=flow.command,
            rule=f"{study}_plan",
            settings=flow.settings_of(f"{study}_plan"),
            code=flow.code_of(f"{study}_plan"),
        shell:
            "{params.flopwise} run {params.rule} > {log:q} 2>&1"

    rule:
        """Join the metrics of all jobs of the study into tidy tables."""
        name:
            f"{study}_collect"
        input:
            flow.reads(f"{study}_collect"),
        output:
            flow.writes(f"{study}_collect"),
            lineage=f"<results>/lineage/{study}_collect.json",
        log:
            f"<results>/logs/{study}_collect.log",
        localrule: True
        conda:
            "../envs/flopwise.yaml"
        params:
            flopwise=flow.command,
            rule=f"{study}_collect",
            settings=flow.settings_of(f"{study}_collect"),
            code=flow.code_of(f"{study}_collect"),
        shell:
            "{params.flopwise} run {params.rule} > {log:q} 2>&1"

    rule:
        """Apply the rule of every published claim of the study to its tables."""
        name:
            f"{study}_claims"
        input:
            flow.reads(f"{study}_claims"),
        output:
            flow.writes(f"{study}_claims"),
            lineage=f"<results>/lineage/{study}_claims.json",
        log:
            f"<results>/logs/{study}_claims.log",
        localrule: True
        conda:
            "../envs/flopwise.yaml"
        params:
            flopwise=flow.command,
            rule=f"{study}_claims",
            settings=flow.settings_of(f"{study}_claims"),
            code=flow.code_of(f"{study}_claims"),
        shell:
            "{params.flopwise} run {params.rule} > {log:q} 2>&1"


for study in flow.studies:

    include: f"{study}.smk"
