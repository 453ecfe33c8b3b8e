"""`orbitsim links`: range, elevation, signal and rate of links over time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orbitsim.cli.terminal import Format, FormatOption, OverrideOption, ScenarioArgument, SettingOption, print_rows

if TYPE_CHECKING:
    import pandas as pd

    from orbitsim.pipeline.links import LinkBook

NAME = "links"
EXAMPLE = (
    "Examples: [bold]orbitsim links leo12-vitg-budget[/bold] · "
    "[bold]orbitsim links leo12-vitg --link 'p-00>ground' --open --format csv[/bold]"
)


def command(
    scenario: ScenarioArgument,
    fmt: FormatOption = Format.TABLE,
    link: Annotated[
        list[str] | None,
        typer.Option("--link", metavar="A>B", help="Only this link; repeatable. Default: every link that ever opens."),
    ] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only steps in which the link is open.")] = False,
    settings: SettingOption = None,
    overrides: OverrideOption = None,
) -> None:
    """Print a summary of each link (table), or a row for each link and step of the clock (CSV, JSON)."""
    from orbitsim.loading import load_scenario
    from orbitsim.pipeline.link_table import link_table
    from orbitsim.pipeline.links import LinkBook
    from orbitsim.pipeline.space import Space
    from orbitsim.results.wording import utc_ms

    loaded = load_scenario(scenario, overrides=overrides or (), settings=settings or ())
    book = LinkBook(Space(loaded))
    rows = link_table(book, _pairs(book, link))
    if open_only:
        rows = rows[rows["open"]]
    if fmt is Format.TABLE:
        print_rows(_summary(rows), fmt, title=f"{loaded.name}: links over {loaded.clock.duration_s:g} s", records=[])
        return
    epoch = loaded.clock.epoch_utc
    records: list[dict[str, Any]] = [
        {
            "link": row["link"],
            "t_utc": utc_ms(epoch, row["t_s"]),
            "range_m": round(row["range_m"], 3),
            "elevation_deg": _known(row["elevation_deg"]),
            "snr_db": _known(row["snr_db"]),
            "rate_bps": row["rate_bps"],
            "open": bool(row["open"]),
        }
        for row in rows.to_dict(orient="records")
    ]
    print_rows(rows, fmt, title="", records=records)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _pairs(book: LinkBook, names: list[str] | None) -> list[tuple[int, int]]:
    from orbitsim.cli.selection import chosen

    space = book.space
    crosslinks = [(int(a), int(b)) for a, b in space.topology.edges]
    both_ways = [pair for a, b in crosslinks for pair in ((a, b), (b, a))]
    downlinks = [(s, space.n_satellites + i) for s in range(space.n_satellites) for i in range(len(space.stations))]
    seen = {(window.satellite, window.station) for window in book.contact_windows()}
    by_name = {f"{space.names[a]}>{space.names[b]}": (a, b) for a, b in [*both_ways, *downlinks]}
    if not names:
        return [*crosslinks, *(pair for pair in downlinks if pair in seen)]
    return [by_name[name] for name in chosen("--link", names, list(by_name))]


def _summary(rows: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    lines: list[dict[str, Any]] = []
    for name, part in rows.groupby("link", observed=True, sort=False):
        is_open = part[part["open"]]
        lines.append(
            {
                "link": str(name),
                "open": f"{len(is_open) / max(len(part), 1):.2%}",
                "range when open [km]": _spread(is_open["range_m"] / 1e3, ".0f"),
                "elevation [deg]": _spread(is_open["elevation_deg"], ".1f"),
                "SNR [dB]": _spread(is_open["snr_db"], ".2f"),
                "rate [Gbit/s]": _spread(is_open["rate_bps"] / 1e9, ".4g"),
            }
        )
    columns = ["link", "open", "range when open [km]", "elevation [deg]", "SNR [dB]", "rate [Gbit/s]"]
    return pd.DataFrame(lines, columns=columns)


def _spread(values: pd.Series, spec: str) -> str:
    known = values.dropna()
    if not len(known):
        return "-"
    low, high = format(known.min(), spec), format(known.max(), spec)
    return low if low == high else f"{low} to {high}"
