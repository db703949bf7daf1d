"""Filtering: score, keep by chance, weight; merge kept samples; weights into n-tuples."""
