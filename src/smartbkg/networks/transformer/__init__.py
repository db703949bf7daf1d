"""The transformer: the network, its compiled kernels and runtime."""
