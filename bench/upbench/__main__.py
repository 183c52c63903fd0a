"""``python -m upbench`` is the ``upbench`` command."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # -m puts the current folder first, where somebody's own ``upsample`` would hide the library.
        del sys.path[0]
    from upbench.cli import main

    main()
