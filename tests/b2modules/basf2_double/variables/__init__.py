"""variables: aliases of the variable manager."""

from __future__ import annotations

from basf2 import B2ERROR


class _Manager:
    """analysis/VariableManager/src/Manager.cc."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}

    def addAlias(self, alias: str, variable: str) -> bool:
        """Manager.cc:96."""
        if alias == variable:
            B2ERROR(f"addAlias({alias}, {variable}): alias and variable must be different")
            return False
        self.aliases[alias] = variable
        return True

    def resolveAlias(self, alias: str) -> str:
        """Manager.cc:140: the name itself where it is no alias."""
        return self.aliases.get(alias, alias)


variables = _Manager()
