"""Where pre-training FLOPs buy accuracy (Where Should I Spend My FLOPS?, arXiv 2209.15589)."""
