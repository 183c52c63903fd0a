"""``python -m bench`` is the ``upbench`` command."""

from upbench.cli import main

if __name__ == "__main__":
    main()
