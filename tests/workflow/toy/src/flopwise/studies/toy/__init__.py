"""A study that draws random numbers: the least that a study can be."""
