"""The watcher: waits for the end of a model process and then ends all that is left in its process group, itself too.

It is run by `session` as a program of its own that imports next to nothing, so that it takes little memory: one
argument, the file descriptor that tells of the end (see pidfd_open(2)).
"""

import os
import select
import signal
import sys


def main(descriptor: int) -> None:
    """Wait, then end the group. Whoever is in it cannot be mistaken: as long as this process lives, the group does."""
    end = select.poll()
    end.register(descriptor, select.POLLIN)
    end.poll()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
