"""Templates of self-contained pages: each package has its own, all have one look (``templates/page.css``)."""

from __future__ import annotations

import jinja2


def page_environment(package: str) -> jinja2.Environment:
    """The templates of a package, which find ``page.css``: light, dark, narrow and on paper."""
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("smartbkg.plots")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )


__all__ = ["page_environment"]
