"""Knowledge transfer between any two pretrained models (arXiv 2310.17653)."""
