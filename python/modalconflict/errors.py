"""The errors a user meets: each message is one sentence that names the thing and says what to do."""


class ModalConflictError(Exception):
    """Base of every error of this package; the command line prints its message without a traceback."""


class InvalidArgument(ModalConflictError, ValueError):
    """An argument outside what the function states."""


class IoError(ModalConflictError, OSError):
    """A file or folder that is missing, unreadable, truncated, altered or already taken."""


class ModelError(ModalConflictError, RuntimeError):
    """A model that cannot be run as its bundle says, or that produced NaN."""
