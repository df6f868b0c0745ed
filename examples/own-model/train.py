"""A model of one's own with choices in it, on scikit-learn's digits: one flag for each choice, as for any program."""

import argparse
from datetime import UTC, datetime

import torch
from sklearn.datasets import load_digits
from torch import nn


class Block(nn.Module):
    """A layer of a width, added to what it reads or in its place."""

    def __init__(self, width: int, kind: str, dropout: float) -> None:
        super().__init__()
        self.is_residual = kind == "residual"
        self.layers = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, width) to (B, width)."""
        return x + self.layers(x) if self.is_residual else self.layers(x)


def network(depth: int, width: int, block: str, dropout: float) -> nn.Module:
    """The network that the choices make: (B, 64) to logits (B, 10)."""
    blocks = (Block(width, block, dropout) for _ in range(depth))
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), *blocks, nn.Linear(width, 10))


def main() -> None:
    """Train one network, and print a line an epoch for Katib's metrics collector."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--block", choices=("plain", "residual"), default="plain")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--num-epochs", type=int, default=5)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    digits = load_digits()
    x, y = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    held_out, train = order[:360], order[360:]
    model = network(arguments.depth, arguments.width, arguments.block, arguments.dropout)
    optimizer = torch.optim.Adam(model.parameters(), lr=arguments.learning_rate)
    for _ in range(arguments.num_epochs):
        model.train()
        for batch in train[torch.randperm(len(train))].split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(x[held_out]).argmax(dim=1) == y[held_out]).double().mean()
        print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} Validation-Accuracy={accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
