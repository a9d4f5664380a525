"""Names that the command line shows; free of torch, so that `--help` and errors come at once."""

METHODS = (
    "full-ft",
    "locked-text",
    "locked-image",
    "lnfit",
    "bitfit",
    "lora-r4",
    "lora-r64",
    "dora-r4",
    "dora-r64",
    "vera-r4",
    "vera-r64",
    "ewc",
    "si",
    "zs-merge",
    "ft-merge",
    "ema-merge",
)
TABLES = ("methods", "steps", "open_clip", "timm", "perceiver", "objectives", "scales")  # that the rule of cost writes
LIBRARIES = ("open_clip", "timm", "perceiver")
CONVENTIONS = ("model", "hardware")
PRECISIONS = ("fp16", "bf16", "fp32")
ACCOUNTINGS = ("published", "per-task-once")
