"""The two kinds of failure a person meets; the command line prints either as one line, never as a traceback."""


class UserError(ValueError):
    """A user's mistake (bad key, value, file or combination). The message says what was given, where, and what is
    allowed, in one line. Exit status 2."""


class RunFailure(RuntimeError):
    """Something failed that the user did not ask for wrongly (full disk, damaged file). One line. Exit status 1."""
