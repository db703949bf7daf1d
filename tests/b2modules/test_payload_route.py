"""From an exported model, through basf2's own classes, to the filter that reads them: the way to the grid."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from smartbkg.networks.onnx.basf2_payloads import export_for_basf2

pytest.importorskip("onnxruntime")


def test_stored_payloads_filter_as_the_exported_files(
    basf2: ModuleType, mdst: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import modularAnalysis
    from data_store import STORE
    from networks.onnx.test_basf2_payloads import CODES, bundle
    from skim.WGs.fei import feiHadronic

    from smartbkg.b2modules.smart_background import add_smartbkg_filtering

    monkeypatch.chdir(tmp_path)
    export = export_for_basf2(bundle(strength=0.2), tmp_path / "out", name="mine", skim_codes=CODES)
    runpy.run_path(str(export.files[-1]), run_name="__main__")
    assert len(Path("localdb/database.txt").read_text().splitlines()) == 2
    basf2.conditions.prepend_testing_payloads("localdb/database.txt")

    def predictions(**payloads: str) -> list[float]:
        seen: list[float] = []

        class Look(basf2.Module):  # type: ignore[name-defined,misc]
            def event(self) -> None:
                seen.append(STORE.object("EventExtraInfo").getExtraInfo("SmartBKG_Prediction_feiHadronic"))

        path: Any = basf2.create_path()
        modularAnalysis.inputMdst(filename=str(mdst), path=path)
        add_smartbkg_filtering(feiHadronic(), path, debug_mode=True, event_type="mixed", **payloads)
        path.add_module(Look())
        basf2.process(path, max_event=10)
        return seen

    stored = predictions(payload_weights=export.weights_payload, payload_config=export.config_payload)
    files = predictions(payload_weights=str(export.files[0]), payload_config=str(export.files[1]))
    assert stored == pytest.approx(files, rel=1e-5)  # basf2's object knows no calibration: it is in a and b
    assert len(set(stored)) > 1
