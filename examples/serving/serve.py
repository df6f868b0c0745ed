"""Serve a network that ``katib-nas export RUN --to onnx`` wrote, by KServe's server and ONNX Runtime.

    pip install kserve onnxruntime
    python serve.py --model trained/model.onnx --model_name digits

It answers the open inference protocol, v2: ``POST /v2/models/digits/infer``. Inputs have the names, types and shapes of
the graph (``GET /v2/models/digits``); the outputs are the graph's, and for a classifier ``probabilities``, too.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server
from kserve.errors import InvalidInput

LOGITS = "logits"

KINDS = {"tensor(uint8)": "UINT8", "tensor(int64)": "INT64", "tensor(float)": "FP32"}
"""Types of the graph by ONNX Runtime's names, and the protocol's."""
ARRAYS = {"UINT8": numpy.uint8, "INT64": numpy.int64, "FP32": numpy.float32}


class Network(Model):
    """A graph; see the module."""

    def __init__(self, name: str, file: Path) -> None:
        super().__init__(name)
        self._session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]
        self.ready = True

    async def get_input_types(self) -> list[dict[str, Any]]:
        """Tell what the graph takes."""
        return [_described(one) for one in self._session.get_inputs()]

    async def get_output_types(self) -> list[dict[str, Any]]:
        """Tell what the graph gives."""
        return [_described(one) for one in self._session.get_outputs()]

    async def predict(self, payload: InferRequest, headers: Any = None, response_headers: Any = None) -> InferResponse:
        """Run the graph on the inputs of a request."""
        given = {one.name: one for one in payload.inputs}
        arrays = {}
        for expected in self._session.get_inputs():
            kind = KINDS[expected.type]
            if expected.name not in given:
                raise InvalidInput(f"the input {expected.name} is missing")
            found = given[expected.name]
            if found.datatype != kind:
                raise InvalidInput(f"{expected.name}: {found.datatype} is not allowed: it must be {kind}")
            arrays[expected.name] = numpy.asarray(found.as_numpy(), ARRAYS[kind])
        try:
            outputs = dict(zip(self._names, self._session.run(None, arrays), strict=True))
        except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument as error:
            raise InvalidInput(str(error)) from error
        if LOGITS in outputs:
            powers = numpy.exp(outputs[LOGITS] - outputs[LOGITS].max(axis=1, keepdims=True))
            outputs["probabilities"] = powers / powers.sum(axis=1, keepdims=True)
        answers = [_answer(name, array) for name, array in outputs.items()]
        return InferResponse(response_id=payload.id or "", model_name=self.name, infer_outputs=answers)


def _described(value: Any) -> dict[str, Any]:
    shape = [side if isinstance(side, int) else -1 for side in value.shape]
    return {"name": value.name, "datatype": KINDS[value.type], "shape": shape}


def _answer(name: str, array: Any) -> InferOutput:
    output = InferOutput(name=name, shape=list(array.shape), datatype="FP32")
    output.set_data_from_numpy(array.astype(numpy.float32), binary_data=False)
    return output


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--model", type=Path, required=True, help="the ONNX file")
    arguments = parser.parse_args()
    ModelServer().start([Network(arguments.model_name, arguments.model)])
