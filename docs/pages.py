"""What the site shows of the catalogue, written while it is built: a page for each family, the figures, the tables.

mkdocs-gen-files runs this file. A family is what the cards say; its module is the one that holds its classes. Neither
families nor modules are listed here by hand: only which figures explain which family is.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

import mkdocs_gen_files
import torch
from mkdocs.structure.files import InclusionLevel
from mkdocs_gen_files.editor import FilesEditor

import upsample
from docs.figures import DRAWINGS, stem
from upbench.cases.listing import CatalogueRow, listing

FIGURES = {
    "transposed": ("zero-stuffing", "phases", "overlap", "shuffle"),
    "subpixel": ("shuffle", "phases", "zero-stuffing", "overlap"),
}
SETTINGS = ((3, 2), (4, 2), (6, 3))
"""Kernel and scale: one that is not divisible, and two that are."""

BARE = ("show_root_heading: false", "show_root_toc_entry: false")
"""Options of mkdocstrings for a module, whose page has a heading already."""


@dataclass(frozen=True)
class Family:
    """A family of the catalogue, with the modules that hold it and the rows of its table."""

    name: str
    modules: tuple[ModuleType, ...]
    rows: tuple[CatalogueRow, ...]

    @property
    def title(self) -> str:
        """The first words of the module's docstring, as far as they name the family."""
        return re.split(r"[:;,.]", _summary(self.modules[0]), maxsplit=1)[0]

    @property
    def page(self) -> str:
        """Where its page is, seen from the site's root."""
        return f"families/{self.name}.md"


def families() -> list[Family]:
    """Return the families of this library; what installed packages add has no page here."""
    rows: dict[str, list[CatalogueRow]] = {}
    modules: dict[str, list[str]] = {}
    for row in listing():
        cls = upsample.class_of(row.name)
        if cls.stated and cls.__module__.startswith(f"{upsample.__name__}."):
            rows.setdefault(row.family, []).append(row)
            modules.setdefault(row.family, []).append(cls.__module__)
    return [
        Family(name, tuple(map(importlib.import_module, dict.fromkeys(modules[name]))), tuple(own))
        for name, own in rows.items()
    ]


def other_modules(found: Sequence[Family]) -> list[ModuleType]:
    """Return the modules of the library that hold no family: what the families share."""
    holding = {module.__name__ for family in found for module in family.modules}
    names = [module.name for module in pkgutil.walk_packages(upsample.__path__, f"{upsample.__name__}.")]
    return [importlib.import_module(name) for name in names if name not in holding]


def family_page(family: Family) -> Iterator[str]:
    """Yield the parts of a family's page."""
    yield f"# {family.title}"
    for module in family.modules:
        yield _rendered(module.__name__, ["members: false", *BARE])
    yield "## Upsamplers"
    yield upsampler_table(family.rows)
    yield (
        "Parameters, and multiply-accumulates (MACs) for each low-resolution pixel, are those at scale 2 with 64 "
        "channels in and out and an input of 96×96 pixels; a network maps 3 channels to 3, and the width of its "
        "backbone is 64 where it can be chosen. They are exact: see [how cost is counted](../cost.md)."
    )
    if family.name in FIGURES:
        yield from figure_section(FIGURES[family.name])
    for heading, objects in _contents(family.modules).items():
        if objects:
            yield f"## {heading}"
            yield from (_rendered(path, ["heading_level: 3"]) for path in objects)


def upsampler_table(rows: Sequence[CatalogueRow]) -> str:
    """Return the table of a family's upsamplers."""
    body = [
        (
            f"`{row.name}`",
            row.title if row.kind == "operator" else f"{row.title} ({row.kind})",
            f"{row.paper}",
            "–" if row.year is None else str(row.year),
            "yes" if row.guided else "no",
            row.scales,
            _number(row.params),
            _number(row.macs_per_pixel),
            row.advice,
        )
        for row in rows
    ]
    heading = ("Name", "Title", "Paper", "Year", "Guided", "Scales", "Parameters", "MACs a pixel", "Advice")
    return _table(heading, body, numeric=(6, 7))


def figure_section(names: Sequence[str]) -> Iterator[str]:
    """Yield the figures of those names, one tab for each kernel and scale."""
    yield "## Figures"
    yield (
        "Drawn when this page was built, from what the operators return. "
        "`python docs/figures.py --kernel 5 --scale 2 --output figures` draws them for any kernel and scale."
    )
    for drawing in sorted(
        (drawing for drawing in DRAWINGS if drawing.name in names), key=lambda d: names.index(d.name)
    ):
        yield f"### {drawing.title}"
        for kernel_size, scale in SETTINGS:
            source, caption = f"../figures/{stem(drawing, kernel_size, scale)}.svg", drawing.caption(kernel_size, scale)
            figure = (
                '<figure markdown="span">',
                f"![{drawing.title}: kernel {kernel_size}, scale {scale}]({source})",
                f"<figcaption>{caption}</figcaption>",
                "</figure>",
            )
            yield f'=== "k = {kernel_size}, s = {scale}"\n\n' + "\n".join(f"    {line}" for line in figure)


def family_list(found: Sequence[Family]) -> str:
    """Return the table of families, a sentence and the upsamplers of each."""
    body = [
        (f"[{family.title}]({family.page})", _summary(family.modules[0]), ", ".join(f"`{r.name}`" for r in family.rows))
        for family in found
    ]
    return _table(("Family", "What it is", "Upsamplers"), body)


def published_table() -> str:
    """Return published figures beside what the library says.

    Raises:
        ValueError: one of them differs.
    """
    body = []
    for label, published, computed in _published():
        if published != computed:
            raise ValueError(f"{label}: published {published:,}, computed {computed:,}.")
        body.append((label, f"{published:,}", f"{computed:,}"))
    return _table(("Figure", "Published", "Here"), body, numeric=(1, 2))


def _published() -> Iterator[tuple[str, int, int]]:
    with torch.device("meta"):
        carafe = upsample.create("carafe", 256, 256, 2)
        dysample, plus = (upsample.create(name, 256, 256, 2) for name in ("dysample_lp", "dysample_lp_plus"))
        srcnn, fsrcnn = (upsample.create(name, 1, 1, 2) for name in ("srcnn", "fsrcnn"))
    biases = sum(parameter.numel() for parameter in carafe.parameters() if parameter.dim() == 1)
    flops = upsample.cost(carafe, (1, 256, 1, 1)).flops
    yield "CARAFE, 256 channels, scale 2: FLOPs per low-resolution pixel, a bias as 2", 199_496, flops + 2 * biases
    yield "CARAFE, 256 channels, scale 2: parameters", 74_148, upsample.cost(carafe, (1, 256, 1, 1)).params
    yield "DySample (LP), 256 channels, scale 2, four of them: weights (+32.7K)", 32_768, 4 * _weights(dysample)
    yield "DySample+ (LP), 256 channels, scale 2, four of them: weights (+65.5K)", 65_536, 4 * _weights(plus)
    yield "FSRCNN (56, 12, 4), one channel: weights", 12_464, _weights(fsrcnn)
    yield "SRCNN 9-1-5, one channel: weights", 8_032, _weights(srcnn)


def _weights(module: torch.nn.Module) -> int:
    """Parameters without biases and slopes, as papers count them."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.dim() > 1)


def _contents(modules: Sequence[ModuleType]) -> dict[str, list[str]]:
    """The paths of what a page documents, in the order of the files."""
    contents: dict[str, list[str]] = {"Classes": [], "Functions": [], "Shared by the classes": []}
    for module in modules:
        for name, member in vars(module).items():
            if getattr(member, "__module__", None) != module.__name__:
                continue
            path = f"{module.__name__}.{name}"
            if inspect.isclass(member):
                contents["Shared by the classes" if name.startswith("_") else "Classes"].append(path)
            elif inspect.isfunction(member) and not name.startswith("_"):
                contents["Functions"].append(path)
    return contents


def _rendered(path: str, options: Sequence[str]) -> str:
    """The directive by which mkdocstrings renders one object; one without a heading gets an anchor for links to it."""
    anchor = [f"[](){{ #{path} }}\n"] if BARE[0] in options else []
    return "\n".join((*anchor, f"::: {path}", "    options:", *(f"      {option}" for option in options)))


def _summary(module: ModuleType) -> str:
    return (inspect.getdoc(module) or module.__name__).partition("\n")[0]


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    rule = ["---:" if column in numeric else "---" for column in range(len(heading))]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (heading, rule, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _write(path: str, text: str) -> None:
    with mkdocs_gen_files.open(path, "w") as file:
        file.write(text)


def _write_nav(folder: str, pages: Sequence[tuple[str, str]]) -> None:
    """Write the file from which mkdocs-literate-nav makes a folder's navigation."""
    path = f"{folder}/SUMMARY.md"
    _write(path, "".join(f"- [{title}]({name}.md)\n" for title, name in pages))
    file = FilesEditor.current().files.get_file_from_path(path)
    assert file is not None
    # Read all the same, but no page of its own: a pattern under exclude_docs is overruled by mkdocs-literate-nav.
    file.inclusion = InclusionLevel.EXCLUDED


def _fill(path: str, marker: str, text: str) -> None:
    """Put ``text`` where a written page has ``<!-- marker -->``."""
    with mkdocs_gen_files.open(path, "r") as file:
        page = file.read()
    if page.count(f"<!-- {marker} -->") != 1:
        raise ValueError(f"{path} must have one line <!-- {marker} -->.")
    _write(path, page.replace(f"<!-- {marker} -->", text))


def write_site() -> None:
    """Write everything that is not written by hand."""
    found = families()
    for family in found:
        _write(family.page, "\n\n".join(family_page(family)) + "\n")
    _write_nav("families", [(family.title, family.name) for family in found])

    shared = other_modules(found)
    for module in shared:
        name = module.__name__
        _write(f"library/{_last(name)}.md", f"# `{name}`\n\n{_rendered(name, ['heading_level: 2', *BARE])}\n")
    _write_nav("library", [(_last(module.__name__), _last(module.__name__)) for module in shared])

    for drawing in DRAWINGS:
        for kernel_size, scale in SETTINGS:
            _write(f"figures/{stem(drawing, kernel_size, scale)}.svg", drawing.svg(kernel_size, scale))

    _fill("index.md", "families", family_list(found))
    _fill("cost.md", "published", published_table())


def _last(path: str) -> str:
    return path.rpartition(".")[2]


write_site()
