"""The operations of a recurrent cell: the activation functions that a node chooses from. Standard library only."""

ACTIVATIONS: tuple[str, ...] = ("tanh", "relu", "sigmoid", "identity")
"""Every entry that the search space of a recurrent cell may hold."""
