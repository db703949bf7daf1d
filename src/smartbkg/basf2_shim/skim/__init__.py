"""basf2's package ``skim``, and ``skim.smartbkg`` where the release has none.

This folder stands before the release's on the path. So what the release's package says is run here, and its folder is
looked at first for modules; only what is not there comes from this folder.
"""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_FOUND = next(
    (
        folder
        for folder in (Path(entry or ".") / "skim" for entry in sys.path)
        if (folder / "__init__.py").is_file() and folder.resolve() != _HERE
    ),
    None,
)
if _FOUND is None:
    raise ImportError("basf2's package 'skim' is not on the path: set up a release that has it (not a 'light' one)")
__path__ = [str(_FOUND), str(_HERE)]
exec(compile((_FOUND / "__init__.py").read_text(encoding="utf-8"), str(_FOUND / "__init__.py"), "exec"))
