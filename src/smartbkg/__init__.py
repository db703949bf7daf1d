"""smartbkg: stop simulating events nobody will keep, without biasing those that are kept."""

from smartbkg._version import __version__
from smartbkg.errors import SmartBKGError

__all__ = ["SmartBKGError", "__version__"]
