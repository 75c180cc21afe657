"""The composition root: the only package that builds the objects of a running process."""

from leveret.launch.launcher import Launcher

__all__ = ["Launcher"]
