"""Ask a server of networks what a picture shows: ``python ask.py http://localhost:8080 digits picture.png``.

The picture is brought to the shape that the network takes. Printed are the classes with their probabilities, the
likeliest first; what a class is called stands in the network's model card.
"""

import argparse
import json
import urllib.request
from typing import Any

import numpy
from PIL import Image


def main() -> None:
    """Ask."""
    parser = argparse.ArgumentParser(description="Ask a server of networks what a picture shows.")
    parser.add_argument("address", metavar="URL")
    parser.add_argument("model", metavar="NAME")
    parser.add_argument("picture", metavar="PICTURE")
    arguments = parser.parse_args()
    model = f"{arguments.address}/v2/models/{arguments.model}"
    (expected,) = answer(model)["inputs"]
    _, channels, height, width = expected["shape"]
    picture = Image.open(arguments.picture).convert("L" if channels == 1 else "RGB").resize((width, height))
    image_chw = numpy.asarray(picture, numpy.uint8).reshape(height, width, channels).transpose(2, 0, 1)
    given = {
        "name": expected["name"],
        "datatype": expected["datatype"],
        "shape": [1, channels, height, width],
        "data": image_chw.ravel().tolist(),
    }
    outputs = {one["name"]: one["data"] for one in answer(f"{model}/infer", {"inputs": [given]})["outputs"]}
    for label in numpy.argsort(outputs["probabilities"])[::-1]:
        print(f"class {label}: {outputs['probabilities'][label]:.3f}")


def answer(url: str, body: Any = None) -> Any:
    """Return what a server answers, as JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 - the user's own
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        return json.load(response)


if __name__ == "__main__":
    main()
