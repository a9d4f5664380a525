"""The studies, a package each. A study is added by adding files and its name here; docs/add-a-study.md says which."""

NAMES = ("continual", "transfer", "efficiency", "perceiver")
