"""A fast simulation inside the filter: run a few times on each event, its pass fraction is an input of the score."""
