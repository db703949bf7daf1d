"""The embedded experiment against full simulation and EvtGen."""
