"""The one error an export reports to its user."""


class ExportError(Exception):
    """Something the user can act on; its text is one line and says what to do.

    The command line prints it and exits with a non-zero status; nothing is left behind.
    """
