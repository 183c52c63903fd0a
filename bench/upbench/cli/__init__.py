"""The ``upbench`` command, one command a file: each reads options, hands them to the rooms behind it, and prints.

It decides nothing, and nothing imports it.
Exit codes: 0 done, 1 the thing asked about failed, 2 wrong usage, 3 the gate could not decide, 130 interrupted.
"""

from __future__ import annotations

import sys

import typer

from upbench.cli import console
from upbench.cli.compare_command import compare
from upbench.cli.doctor_command import doctor
from upbench.cli.export_command import export
from upbench.cli.gate_command import gate
from upbench.cli.history_command import history
from upbench.cli.list_command import list_upsamplers
from upbench.cli.quality_command import quality
from upbench.cli.recommend_command import recommend
from upbench.cli.report_command import report
from upbench.cli.rewrite_command import rewrite
from upbench.cli.run_command import run
from upbench.cli.serve_command import serve
from upbench.errors import UserError

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    help="Which upsampler on this machine? Measures them, compares runs, and writes the report.",
    epilog="Example: upbench run --quick --output mine.json, then upbench report mine.json --output plots",
)
# In the order in which --help lists them.
app.command(epilog="Example: upbench run --quick --scale 2,4 --channels 64 --output results/mine.json")(run)
app.command(epilog="Example: upbench quality --images Set5 --scale 2,3,4 --output set5.json")(quality)
app.command(epilog="Example: upbench report results/mine.json --output plots/mine")(report)
app.command(
    epilog="Example: upbench recommend --scale 4 --channels 64 --size 270x480 --max-memory 200MB results/mine.json"
)(recommend)
app.command(epilog="Example: upbench compare results/before.json results/after.json")(compare)
app.command(epilog="Example: upbench history results/nightly --case 'subpixel-*' --since 2026-03-01")(history)
app.command(
    epilog="Example: upbench gate --against main benchmarks --markdown summary.md; what follows -- is pytest's",
    context_settings={"ignore_unknown_options": True},
)(gate)
app.command(epilog="Example: upbench rewrite model.onnx --output faster.onnx --runtime onnx,openvino")(rewrite)
app.command(epilog="Example: upbench export --onnx models --upsampler subpixel --scale 2, or --web site")(export)
app.command(epilog="Example: upbench serve site --results results; then open the address that it prints")(serve)
app.command("list", epilog="Example: upbench list --json")(list_upsamplers)
app.command(epilog="Example: upbench doctor")(doctor)


def main() -> None:
    """Run the command line; every expected error ends as one sentence and an exit code."""
    try:
        app()
    except UserError as error:
        console.say(f"upbench: {error}", console.errors)
        sys.exit(error.exit_code)
    except OSError as error:
        where = f"{error.filename}: {error.strerror}" if error.filename else f"{error}"
        console.say(f"upbench: {where}.", console.errors)
        sys.exit(console.EXIT_FAILED)
    except ValueError as error:
        # What an installed package offers as an upsampler is none. Only a command that has imported torch can meet it.
        if "upsample" not in sys.modules or not isinstance(error, sys.modules["upsample"].UpsampleError):
            raise
        console.say(f"upbench: {error}", console.errors)
        sys.exit(console.EXIT_FAILED)
