"""The command `miiflow-llm` (extra `[cli]`).

Exit codes: 0 done; 1 the provider or the network failed; 2 the command or the configuration is wrong; 130 interrupted.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point. Without the extra it says what to install, and exits with 2."""
    try:
        import rich  # noqa: F401  whether it is there
        import typer  # noqa: F401  as above
    except ImportError:
        print("miiflow-llm: the command line needs more: pip install 'miiflow-llm[cli]'", file=sys.stderr)  # noqa: T201  a command's message
        sys.exit(2)
    from .app import app

    app()
