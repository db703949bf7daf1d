"""`skim.smartbkg` of newer releases: the filter in front of the simulation, and the module name it registers."""

from smartbkg.b2modules.module_name import answer_to_name
from smartbkg.b2modules.smart_background import add_smartbkg_filtering

answer_to_name()

__all__ = ["add_smartbkg_filtering"]
