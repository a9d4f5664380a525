# Snakemake's own process: its scheduler mended, its CPU seconds booked, what failed told (docs/engine.md).
from flopwise import engine
from flopwise.provenance import ledger, meter

meter.announce(workflow.is_main_process)


onstart:
    engine.tame(workflow.scheduler)
    engine.narrow(workflow.scheduler)


onsuccess:
    ledger.close(flow.settings)


onerror:
    ledger.close(flow.settings)
    engine.tell(workflow.scheduler)
