"""Production over many chunks: a folder that is the whole truth, chunks done exactly once, sums that are exact."""
