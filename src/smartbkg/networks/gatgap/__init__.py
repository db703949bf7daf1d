"""GATGAP: the network, its compiled kernels, gradients and runtime."""
