"""The documentation site: its pages, the figures that they show, and the script that writes the rest at build time."""
