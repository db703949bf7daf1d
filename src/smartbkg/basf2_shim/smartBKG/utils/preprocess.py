"""Which particles upstream uses."""

from smartbkg.graphs import GraphRule


def check_status_bit(status_bit: int) -> bool:
    """Whether a particle is neither virtual nor initial nor a photon radiated from the initial or final state."""
    return not status_bit & GraphRule().excluded_status


__all__ = ["check_status_bit"]
