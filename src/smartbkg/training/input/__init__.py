"""What a training step reads: data sets, graphs, batches, symmetries."""
