# What every rule file uses: all jobs of the scale (`flow`). Inputs, settings and outputs of a job are said once, in the
# package; the command that does the job and its lineage record read the same.
from flopwise import workflow as flopwise_workflow

flow = flopwise_workflow.load_or_exit(config)


pathvars:
    results=flow.results,
