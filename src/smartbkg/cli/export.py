"""`smartbkg export`."""

from __future__ import annotations

from pathlib import Path

import click

from smartbkg.cli.options import FILE
from smartbkg.optional import require
from smartbkg.storage.atomic import refuse_same_file


@click.command()
@click.argument("model", type=FILE)
@click.option("--onnx", "onnx_path", type=FILE, required=True, help="ONNX file to write.")
@click.option("--config", type=FILE, help="Also write the configuration (tokens, event types, skims) as JSON.")
@click.option("--batched", is_flag=True, help="The variant for many events at once.")
def command(model: Path, onnx_path: Path, config: Path | None, batched: bool) -> None:
    """Export MODEL to ONNX in the signature of Belle II's SmartBackground module.

    The exported logits are compared with the original's; a file that differs is not written.
    """
    from smartbkg.networks.bundle import load_bundle

    require(("torch", "onnx", "onnxruntime"), "exporting to ONNX")
    from smartbkg.networks.onnx.export import export_onnx

    for output in filter(None, (onnx_path, config)):
        refuse_same_file(output, model)
    export = export_onnx(load_bundle(model), onnx_path, config, is_batched=batched)
    click.echo(f"{onnx_path}: logits agree with the original's to {export.largest_difference:.2g}", err=True)
    if export.remark:
        click.echo(f"not for basf2's own module: {export.remark}", err=True)
