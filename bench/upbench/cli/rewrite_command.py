"""``upbench rewrite``: an ONNX file with faster upsamplers and the same output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from upbench.cli import console

if TYPE_CHECKING:
    from upbench.wording import Language


def rewrite(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The file; opset 11 or later.")],
    output_file: Annotated[Path, typer.Option("--output", help="The ONNX file to write.")],
    runtime: Annotated[str, typer.Option(help="For which it is to be faster: onnx, openvino, or both.")] = "onnx",
    input_file: Annotated[
        Path | None,
        typer.Option("--input", metavar="INPUTS.npz", help="An array for each input, by name; random ones without it."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the runtime.")] = 1,
    seconds: Annotated[float, typer.Option(min=0, help="Of measuring for each comparison.")] = 0.5,
    least_gain: Annotated[
        float, typer.Option(min=0, help="A site is rewritten where it is certainly faster by more than this share.")
    ] = 0.02,
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the record.")] = None,
    force: Annotated[bool, typer.Option("--force", help="The output may be the file that is read.")] = False,
    lang: Annotated[
        console.LanguageChoice, typer.Option(help="In which language to answer.")
    ] = console.LanguageChoice.en,
) -> None:
    """Rewrite the upsamplers of an ONNX file where that is certainly faster here, with the same output.

    Exit codes: 0 written, 1 left alone, as nothing is certainly faster or upsampled, 2 the file cannot be used.
    """
    from upbench.cases.shadowed import check_not_shadowed

    check_not_shadowed()
    from upbench.onnx_files.required import check_installed

    check_installed()
    from upbench.onnx_files import rewriting_record
    from upbench.onnx_files.file_rewriter import FileSettings, rewrite_file

    language: Language = lang.value
    names = tuple(each.strip() for each in runtime.split(",") if each.strip())
    settings = FileSettings(names, threads, seconds, least_gain)
    made = rewrite_file(model, output_file, settings, input_file, force)
    for line in rewriting_record.lines(made):
        console.say(line if isinstance(line, str) else line.in_language(language))
    if json_file is not None:
        rewriting_record.write(made, model, output_file, settings, json_file)
    if not made.written:
        raise typer.Exit(console.EXIT_FAILED)
