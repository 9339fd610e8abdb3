"""Output folders: free, ours to go on with, or somebody else's and left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from modalconflict.errors import IoError


def require_free(folder: Path, what: str, is_ours: Callable[[Path], bool] | None = None) -> bool:
    """Check that a folder may be written to, without making it.

    Parameters
    ----------
    folder : pathlib.Path
        Absent, empty, or, where `is_ours` is given, one that holds `what` already.
    what : str
        What it is for, for messages: "study", "dataset", "bundle".
    is_ours : callable, optional
        Whether a folder that is not empty holds `what`, and may be gone on with or replaced.

    Returns
    -------
    bool
        True if it holds `what` already, False if it is absent or empty.

    Raises
    ------
    IoError
        If it is a file or holds anything else.

    Examples
    --------
    >>> import tempfile
    >>> require_free(Path(tempfile.mkdtemp()), "study")
    False
    """
    try:
        if not folder.is_dir():
            if folder.exists() or folder.is_symlink():
                raise IoError(f"'{folder}' is a file; name a folder for the {what}")
            return False
        if not any(folder.iterdir()):
            return False
    except IoError:
        raise
    except OSError as error:
        raise IoError(f"cannot look into '{folder}': {error.strerror or error}; name another folder") from None
    if is_ours is None:
        raise IoError(f"'{folder}' exists already and is not an empty folder; remove it or name another for the {what}")
    if not is_ours(folder):
        raise IoError(f"'{folder}' is not empty and holds no {what}; name a new or empty folder")
    return True


def claim_folder(folder: Path, what: str, is_ours: Callable[[Path], bool] | None = None) -> bool:
    """Make a folder, or find one that may be written to; see :func:`require_free`.

    Returns
    -------
    bool
        True if it holds `what` already.

    Raises
    ------
    IoError
        If it is a file, holds anything else, or cannot be made.
    """
    ours = require_free(folder, what, is_ours)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise IoError(f"cannot make the folder '{folder}': a file is in its way; name another folder") from None
    except OSError as error:
        raise IoError(f"cannot make the folder '{folder}': {error.strerror or error}; name another folder") from None
    return ours
