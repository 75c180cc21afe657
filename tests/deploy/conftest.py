"""What can be tested here: Helm's engine is not there for every machine."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

collect_ignore: Final = [] if find_spec("helm_python") else ["test_helm.py"]
