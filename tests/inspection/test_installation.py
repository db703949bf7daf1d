"""The diagnosis: every declared requirement once, as text for people and programs."""

from __future__ import annotations

import json

from smartbkg.inspection.installation import as_json_text, diagnose


def test_the_diagnosis_is_json_and_needs_nothing_here() -> None:
    findings = diagnose()
    content = json.loads(as_json_text(findings))
    assert json.dumps(content).count('"subject"') == len(findings)
    assert [one.subject for one in findings if one.is_needed and not one.is_good] == []
    assert len({one.subject for one in findings}) == len(findings)
