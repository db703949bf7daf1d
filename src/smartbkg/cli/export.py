"""`smartbkg export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE
from smartbkg.cli.outputs import FOLDER, JSON, ONNX
from smartbkg.cli.speech import say, warn
from smartbkg.errors import UsageError
from smartbkg.optional import require
from smartbkg.storage.atomic import refuse_same_file


@click.command()
@click.argument("model", type=FILE)
@click.option("--onnx", "onnx_path", type=ONNX, help="ONNX file to write.")
@click.option("--config", type=JSON, help="Also write the configuration (tokens, event types, skims) as JSON.")
@click.option("--batched", is_flag=True, help="The variant for many events at once.")
@click.option("--basf2", "is_for_basf2", is_flag=True, help="Payloads for basf2's own module, for the grid.")
@click.option("--output", "-o", type=FOLDER, help="With --basf2: folder to write.")
@click.option("--name", default="custom", show_default=True, help="With --basf2: end of the payloads' names.")
@click.option("--skim-code", "codes", multiple=True, metavar="SKIM=CODE", help="With --basf2: code of a skim.")
@json_option
def command(
    model: Path,
    onnx_path: Path | None,
    config: Path | None,
    batched: bool,
    is_for_basf2: bool,
    output: Path | None,
    name: str,
    codes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Export MODEL to ONNX in the signature of Belle II's SmartBackground module.

    The exported logits are compared with the original's; a file that differs is not written. With --basf2 the folder
    also gets the script that stores model and configuration with basf2's own classes.
    """
    from smartbkg.networks.bundle import load_bundle

    require(("torch", "onnx", "onnxruntime"), "exporting to ONNX")
    if is_for_basf2:
        if output is None or onnx_path is not None or config is not None or batched:
            raise UsageError("--basf2 writes a folder, --output FOLDER, and takes no --onnx, --config or --batched")
        result = _for_basf2(model, output, name, codes)
        if as_json:
            print_json({"output": output, **result})
        return
    if onnx_path is None:
        raise UsageError("name the file to write: --onnx FILE.onnx, or --basf2 --output FOLDER")
    from smartbkg.networks.onnx.export import export_onnx

    for path in filter(None, (onnx_path, config)):
        refuse_same_file(path, model)
    export = export_onnx(load_bundle(model), onnx_path, config, is_batched=batched)
    say(f"{onnx_path}: logits agree with the original's to {export.largest_difference:.2g}")
    if export.remark:
        warn(f"not for basf2's own module: {export.remark}")
    if as_json:
        print_json({"output": onnx_path, "config": config, **export._asdict()})


def _for_basf2(model: Path, folder: Path, name: str, codes: tuple[str, ...]) -> dict[str, Any]:
    from smartbkg.networks.bundle import load_bundle
    from smartbkg.networks.onnx.basf2_payloads import export_for_basf2

    by_skim = {}
    for text in codes:
        skim, separator, code = text.partition("=")
        if not separator or not code.isdigit():
            raise UsageError(f"--skim-code {text}: expected SKIM=CODE, as feiHadronic=11180500")
        by_skim[skim] = int(code)
    export = export_for_basf2(load_bundle(model), folder, name=name, skim_codes=by_skim)
    say(
        f"{folder}: payloads {export.weights_payload} and {export.config_payload}; logits agree with the original's to "
        f"{export.largest_difference:.2g}\nnext, in basf2: basf2 {export.files[-1]}"
    )
    return export._asdict()
