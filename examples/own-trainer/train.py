"""A trial of one's own: dense layers on scikit-learn's digits, sized and joined as the ENAS service asks."""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


class Network(nn.Module):
    """A row of the architecture is a layer: its operation, then a bit for the input and each layer but the last one."""

    def __init__(self, architecture: list[list[int]], nn_config: dict[str, Any]) -> None:
        super().__init__()
        widths = list(nn_config["input_sizes"])
        self.joins = [[place for place, bit in enumerate(bits) if bit] for _, *bits in architecture]
        self.layers = nn.ModuleList()
        for (operation, *_), joins in zip(architecture, self.joins, strict=True):
            params = nn_config["embedding"][str(operation)]["opt_params"]
            width = widths[-1] + sum(widths[place] for place in joins)
            self.layers.append(nn.Sequential(nn.Linear(width, params["units"]), ACTIVATIONS[params["activation"]]()))
            widths.append(params["units"])
        self.classifier = nn.Linear(widths[-1], nn_config["output_sizes"][-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, K) of digits (B, 64)."""
        outputs = [x]
        for layer, joins in zip(self.layers, self.joins, strict=True):
            outputs.append(layer(torch.cat([outputs[-1], *(outputs[place] for place in joins)], dim=1)))
        return self.classifier(outputs[-1])


def from_assignment(text: str) -> Any:
    """Read a value as Katib passes it: JSON in single quotes, within double ones where no shell has taken them off."""
    return json.loads(text.strip('"').replace("'", '"'))


def main() -> None:
    """Train one network, and print a line an epoch for Katib's metrics collector."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--architecture", type=from_assignment, required=True)
    parser.add_argument("--nn_config", type=from_assignment, required=True)
    parser.add_argument("--num_epochs", type=int, default=3)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    digits = load_digits()
    x, y = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    held_out, train = order[:360], order[360:]
    network = Network(arguments.architecture, arguments.nn_config)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(arguments.num_epochs):
        for batch in train[torch.randperm(len(train))].split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (network(x[held_out]).argmax(dim=1) == y[held_out]).double().mean()
        print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} Validation-Accuracy={accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
