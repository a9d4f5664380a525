"""The studies, one package each; a study may import methods, models, data, cost and core, never another study."""
