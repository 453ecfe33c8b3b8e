"""`orbitsim codec`: activation codecs, trained, measured and calibrated."""

from __future__ import annotations

import typer

from orbitsim.cli import codec_backbone, codec_calibrate, codec_download, codec_evaluate, codec_table, codec_train

NAME = "codec"

codec_app = typer.Typer(
    name=NAME,
    help="Train, evaluate and calibrate activation codecs on real images.",
    epilog="Example: [bold]orbitsim codec train --data images --cuts 2,5,7,10 --codec transform --out codecs[/bold]",
    rich_markup_mode="rich",
    no_args_is_help=True,
)
for module in (codec_train, codec_backbone, codec_evaluate, codec_table, codec_calibrate, codec_download):
    codec_app.command(name=module.NAME, epilog=module.EXAMPLE)(module.command)
