"""Events: their columns, the batch that carries them, and the token tables of particle codes."""

from smartbkg.events.batch import EventBatch
from smartbkg.events.pdg import TokenTable, load_token_table, register_token_table, token_table_names

__all__ = ["EventBatch", "TokenTable", "load_token_table", "register_token_table", "token_table_names"]
