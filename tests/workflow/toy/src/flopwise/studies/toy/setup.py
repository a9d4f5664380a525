"""The set-up of the toy study."""


def rows(config) -> list[tuple[str, str, str]]:
    """(what, in the paper, in this run)"""
    return [("sizes", "10", ", ".join(map(str, config.sizes.values())))]
