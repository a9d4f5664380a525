"""Readers of on-disk formats: small, lazy, plain arrays and dicts out, one clear line for whatever is broken."""
