"""What training tells: on the terminal, in records, in TensorBoard."""
