"""The figures and tables of the continual study, each from the study's tables alone, a module per notebook."""
