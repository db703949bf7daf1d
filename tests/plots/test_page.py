"""Pages of all packages have one look: light, dark, narrow and on paper, without anything from elsewhere."""

from __future__ import annotations

import re

import pytest

from smartbkg.plots.page import page_environment

PACKAGES = {"smartbkg.evaluation": "report.html", "smartbkg.experiment": "comparison.html",
            "smartbkg.campaign.watch": "status.html"}  # fmt: skip


@pytest.mark.parametrize("package", PACKAGES)
def test_every_page_has_the_one_look(package):
    source, *_ = page_environment(package).loader.get_source(page_environment(package), PACKAGES[package])
    assert '{% include "page.css" %}' in source
    assert "--ink:" not in source, "colours are defined once"


def test_the_look_is_for_dark_screens_paper_and_telephones_and_loads_nothing():
    look = page_environment("smartbkg.evaluation").get_template("page.css").render()
    for rule in ("screen and (prefers-color-scheme: dark)", "@media print", "@media (max-width: 520px)", "@page"):
        assert rule in look
    assert "url(" not in look
    assert "@import" not in look
    used = set(re.findall(r"var\((--\w+)\)", look))
    defined = [set(re.findall(r"(--\w+):", block)) for block in re.findall(r":root \{(.*?)\}", look)]
    assert len(defined) == 2
    assert used <= defined[0]
    assert defined[0] == defined[1], "dark has a colour for each that light has"
