"""FoMo-in-Flux (arXiv 2408.14471): keep a CLIP model up to date under a fixed compute budget."""
