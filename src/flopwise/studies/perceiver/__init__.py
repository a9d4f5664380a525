"""One architecture for any inputs and outputs, its cost linear in both (Perceiver IO, arXiv 2107.14795)."""
