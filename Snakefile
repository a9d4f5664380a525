# The workflow lives in workflow/; this file lets a plain `snakemake` in the repository's root find it.
include: "workflow/Snakefile"


workflow.default_target = "all"
