"""Where a result comes from: sources, inputs, code version, cost; and the check that all of it still holds."""
