"""Register a trained network with Kubeflow's model registry, by its own client.

    pip install model-registry
    python register_model.py trained s3://models/digits/model.onnx --server https://registry.example --author me

``trained`` is the folder of ``katib-nas train``; the file of ``katib-nas export`` lies where the address says.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_registry import ModelRegistry
from model_registry.types import RegisteredModel


def register(registry: ModelRegistry, folder: Path, uri: str, name: str, version: str) -> RegisteredModel:
    """Register a network with what its training and its search say of it."""
    network = json.loads((folder / "network.json").read_text())
    searched = folder / "search.json"
    search = json.loads(searched.read_text()) if searched.is_file() else {}
    return registry.register_model(
        name,
        uri,
        model_format_name="onnx",
        model_format_version="1",
        version=version,
        version_description=f"{network['parameters']} parameters, trained on {network['dataset']}",
        metadata={**figures(network["metrics"]), **texts(search)},
        model_source_kind="katib",
        model_source_name=str(search.get("experiment", "")),
        model_source_id=str(search.get("trial", "")),
    )


def figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return metrics as the registry takes them."""
    return {name: float(value) for name, value in metrics.items()}


def texts(search: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known of the search as the registry takes it."""
    return {name: str(search[name]) for name in ("source", "command", "seed") if search.get(name) is not None}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Register a trained network with Kubeflow's model registry.")
    parser.add_argument("folder", type=Path, help="of katib-nas train")
    parser.add_argument("uri", help="where the exported file lies")
    parser.add_argument("--server", required=True, help="address of the registry")
    parser.add_argument("--author", required=True)
    parser.add_argument("--name", default="katib-nas")
    parser.add_argument("--version", default="1")
    arguments = parser.parse_args()
    client = ModelRegistry(arguments.server, author=arguments.author)
    register(client, arguments.folder, arguments.uri, arguments.name, arguments.version)
