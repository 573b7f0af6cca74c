# SPDX-License-Identifier: MIT
"""Files of ours in RUN_DIR and LOG_DIR."""
import os


def open_own(path, flags, mode=0o644):
    """A descriptor of a file of ours in RUN_DIR or LOG_DIR. A link is not followed: root would write where it leads."""
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, mode)
