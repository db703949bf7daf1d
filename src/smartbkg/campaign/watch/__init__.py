"""Watching a campaign: alarms, the status page, what a terminal shows."""
