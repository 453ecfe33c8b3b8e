"""`orbitsim contacts`: when the stations and targets see the satellites."""

from __future__ import annotations

from typing import Annotated

import typer

from orbitsim.cli.terminal import Format, FormatOption, OverrideOption, ScenarioArgument, SettingOption, print_rows

NAME = "contacts"
EXAMPLE = "Example: [bold]orbitsim contacts leo12-vitg --format csv > contacts.csv[/bold]"


def command(
    scenario: ScenarioArgument,
    fmt: FormatOption = Format.TABLE,
    satellite: Annotated[list[str] | None, typer.Option("--satellite", help="Only this satellite; repeatable.")] = None,
    station: Annotated[
        list[str] | None, typer.Option("--station", help="Only this station or target; repeatable.")
    ] = None,
    settings: SettingOption = None,
    overrides: OverrideOption = None,
) -> None:
    """Print the contacts of all satellites with all stations and targets."""
    from orbitsim.cli.selection import chosen
    from orbitsim.loading import load_scenario
    from orbitsim.pipeline.contact_table import contact_table
    from orbitsim.pipeline.space import Space
    from orbitsim.results.wording import utc_ms

    loaded = load_scenario(scenario, overrides=overrides or (), settings=settings or ())
    space = Space(loaded)
    rows = contact_table(space)
    rows = rows[rows["satellite"].isin(chosen("--satellite", satellite, space.constellation.names))]
    rows = rows[rows["station"].isin(chosen("--station", station, [site.name for site in space.sites]))]
    epoch = loaded.clock.epoch_utc
    records = [
        {
            "satellite": row["satellite"],
            "station": row["station"],
            "kind": row["kind"],
            "start_utc": utc_ms(epoch, row["start_s"]),
            "end_utc": utc_ms(epoch, row["end_s"]),
            "peak_utc": utc_ms(epoch, row["peak_s"]),
            "max_elevation_deg": round(row["max_elevation_deg"], 6),
            "min_range_m": round(row["min_range_m"], 3),
        }
        for row in rows.to_dict(orient="records")
    ]
    import pandas as pd

    shown = pd.DataFrame(
        {
            "satellite": rows["satellite"].astype(str),
            "station": rows["station"].astype(str),
            "kind": rows["kind"].astype(str),
            "start (UTC)": [record["start_utc"] for record in records],
            "length [s]": (rows["end_s"] - rows["start_s"]).round(2),
            "peak [deg]": rows["max_elevation_deg"].round(2),
            "nearest [km]": (rows["min_range_m"] / 1e3).round(1),
        }
    )
    print_rows(shown, fmt, title=f"{loaded.name}: {len(rows)} contacts", records=records)
