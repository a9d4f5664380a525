# What every rule file uses: the resolved configuration and the grid (`flow`), and the names that may stand in paths.
from flopwise import workflow as flopwise_workflow

flow = flopwise_workflow.load_or_exit(config)


pathvars:
    results=flow.results,


wildcard_constraints:
    dataset="|".join(flow.datasets),
    pool="|".join(flow.pools),
    material="|".join(flow.materials) or "none",
    model="|".join(flow.models),
    budget="|".join(flow.axis("budget")),
    mixture="|".join(flow.axis("mixture")),
    method="|".join(flow.axis("trunk")),
    tuned="|".join(flow.tuned) or "none",
    part="all|part[0-9]+",
