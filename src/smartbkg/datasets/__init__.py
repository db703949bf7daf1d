"""Training data sets: flags, joins, headers, splits."""
