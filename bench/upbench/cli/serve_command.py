"""``upbench serve``: hands a page that measures to browsers, and keeps the records that it sends back."""

from __future__ import annotations

import ipaddress
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from upbench.cli import console
from upbench.errors import UserError

if TYPE_CHECKING:
    from upbench.records.record import Run


def serve(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="What 'upbench export --web' has written.")
    ],
    results: Annotated[Path, typer.Option(file_okay=False, help="Folder for the records that pages send back.")] = Path(
        "results"
    ),
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for other devices in the network too.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8127,
) -> None:
    """Serve a page that measures in the browser; its records go into a folder. Ctrl-C ends it."""
    from upbench.web.local_server import SiteServer
    from upbench.web.site_plan import read_site

    site = read_site(folder)
    try:
        server = SiteServer(site, results, host, port, _tell)
    except OSError as error:
        raise UserError(f"cannot listen at {host}, port {port}: {error.strerror or error}.") from error
    with server:
        console.say(f"Open {server.address} in a browser. Records go to {results}. Ctrl-C ends.")
        if not _is_this_machine(host):
            console.say(
                f"On other devices: {server.address_for_others or 'this machine by its address in the network'}. "
                "Everybody who reaches it can open the page and send records. It has no HTTPS, so that browsers on "
                "other devices give it one thread, no WebGPU and a clock of 0.1 ms at best."
            )
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def _is_this_machine(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _tell(file: Path, run: Run) -> None:
    outcomes = Counter(record.outcome for record in run.records)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    console.say(f"{run.fingerprint['cpu']}: {len(run.records)} cases ({counts}) written to {file}")
