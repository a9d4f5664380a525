"""What every study shares: errors, files, seeds, schedules, the training loop. Imports no study and no method."""
