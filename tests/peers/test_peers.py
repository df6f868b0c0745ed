"""What a trained network is handed to, as it is: an MLflow server, KServe's server, the clients of both and of others.

They live in an environment of their own, `.venv-peers`, which ``make test-long`` installs.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from enas_trainer import predictor
from enas_trainer.export import main as export
from katib_local.record import kept_runs
from katib_local.record.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers/bin"
KEPT = ROOT / "tests/data/0.1.0/runs/enas"
SERVING = ROOT / "examples/serving"
SHORT = ("--num-epochs=1", "--first-restart=1", "--batch-size=8", "--max-images=60", "--device=cpu", "--seed=1")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("KATIB_NAS_")}

pytestmark = [
    pytest.mark.long("servers of others start for many seconds, and have an environment of their own"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, the best network of which is trained and exported."""
    if not PEERS.is_dir():
        pytest.skip("make .venv-peers/.installed makes the environment")
    folder = tmp_path_factory.mktemp("peers")
    run = folder / "runs/enas"
    shutil.copytree(KEPT, run)
    words = ["train", str(run), "--train-portion=.8", *SHORT]
    main = "import sys; from katib_local.commands.cli import main; sys.exit(main())"
    subprocess.run([sys.executable, "-c", main, *words], env=ENVIRONMENT, cwd=folder, check=True, timeout=300)
    assert export([str(run / "trained"), "-o", str(run / "trained/model.onnx")]) == 0
    return folder


def called(folder: Path, program: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """Run a program of the peers' environment."""
    command = [str(PEERS / program), *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=300
    )


@contextmanager
def started(folder: Path, ready: str, program: str, *words: object) -> Iterator[str]:
    """Run a server until its address answers; the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [str(PEERS / program), *(str(word).replace("PORT", str(port)) for word in words)]
    log = folder / f"{Path(str(command[1])).name}.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=folder, env=ENVIRONMENT, stdout=output, stderr=output, start_new_session=True
        ) as server,
    ):
        try:
            until = time.monotonic() + 240
            while not _answers(address + ready):
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.2)
            yield address
        finally:
            os.killpg(server.pid, 15)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


READ = """
import json, sys, mlflow, numpy
client = mlflow.MlflowClient(sys.argv[1])
mlflow.set_tracking_uri(sys.argv[1])
experiment = client.get_experiment_by_name(sys.argv[2])
runs = client.search_runs([experiment.experiment_id])
model = mlflow.pyfunc.load_model(f"models:/{sys.argv[2]}/1")
images = numpy.arange(2 * numpy.prod(json.loads(sys.argv[3])), dtype=numpy.uint8).reshape(2, *json.loads(sys.argv[3]))
print(json.dumps({
    "runs": {run.info.run_name: {
        "status": run.info.status,
        "params": run.data.params,
        "metrics": {name: [one.value for one in client.get_metric_history(run.info.run_id, name)]
                    for name in run.data.metrics},
        "files": [file.path for file in client.list_artifacts(run.info.run_id)],
        "parent": run.data.tags.get("mlflow.parentRunId"),
        "id": run.info.run_id,
    } for run in runs},
    "num_runs": len(runs),
    "versions": len(client.search_model_versions(f"name='{sys.argv[2]}'")),
    "logits": numpy.asarray(model.predict({"images": images})["logits"]).tolist(),
}))
"""
"""What MLflow's own client reads back."""


def test_mlflow_has_each_trial_and_the_model_once(folder: Path) -> None:
    run = kept_runs.read(RunFolder(folder / "runs/enas"))
    name = run.experiment.name
    trained = predictor.load(folder / "runs/enas/trained")
    server = (
        *("server", "--port", "PORT", "--workers", 1, "--backend-store-uri", "sqlite:///mlflow.db"),
        *("--artifacts-destination", "artifacts"),
    )
    with started(folder, "/health", "mlflow", *server) as uri:
        for _ in range(2):  # the second time nothing is new
            done = called(folder, "katib-nas", "export", "runs/enas", "--to=mlflow", "--uri", uri)
            assert done.returncode == 0, done.stderr
        assert "stays as it is" in done.stderr
        read = called(folder, "python", "-c", READ, uri, name, json.dumps(trained.image_shape))
    assert read.returncode == 0, read.stderr
    kept = json.loads(read.stdout.splitlines()[-1])

    assert kept["num_runs"] == len(run.trials) + 2
    assert kept["versions"] == 1
    search = kept["runs"][name]
    assert "experiment.yaml" in search["files"]
    for trial in run.trials:
        logged = kept["runs"][trial.name]
        assert logged["parent"] == search["id"]
        assert logged["params"]["architecture"] == trial.assignments["architecture"]
        assert "network.svg" in logged["files"]
        objective = run.experiment.objective.metric
        assert float((trial.observation or {})[objective]) in logged["metrics"][objective]
    network = kept["runs"]["trained"]
    assert network["params"]["num_epochs"] == "1"
    assert len(network["metrics"]["Validation-Accuracy"]) == 1
    assert {"network.json", "weights.safetensors", "search.json"} <= {*network["files"]}

    # The model that MLflow serves is the network.
    import torch

    size = int(numpy.prod(trained.image_shape))
    images = numpy.arange(2 * size, dtype=numpy.uint8).reshape(2, *trained.image_shape)
    with torch.no_grad():
        expected = trained(torch.from_numpy(images))
    torch.testing.assert_close(torch.tensor(kept["logits"]), expected, rtol=1e-4, atol=1e-4)


def test_a_server_that_does_not_answer_is_one_line_and_exit_code_6(folder: Path) -> None:
    done = called(folder, "katib-nas", "export", "runs/enas", "--to=mlflow", "--uri", "http://127.0.0.1:9")
    assert done.returncode == 6
    assert "katib-nas: --uri: http://127.0.0.1:9 cannot be reached, or refuses" in done.stderr


def test_kserve_answers_by_http_what_the_network_says(folder: Path) -> None:
    trained = predictor.load(folder / "runs/enas/trained")
    channels, height, width = trained.image_shape
    pixels = numpy.random.default_rng(0).integers(256, size=(height, width, channels), dtype=numpy.uint8)
    picture = folder / "picture.png"
    Image.fromarray(pixels.squeeze()).save(picture)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        grpc = free.getsockname()[1]
    server = (
        *(SERVING / "serve.py", "--model", "runs/enas/trained/model.onnx", "--model_name=digits"),
        *("--http_port=PORT", f"--grpc_port={grpc}"),
    )
    with started(folder, "/v2/models/digits/ready", "python", *server) as address:
        asked = called(folder, "python", SERVING / "ask.py", address, "digits", picture)
        refused = _infer(address, {"name": "images", "datatype": "FP32", "shape": [1], "data": [0.5]})
    assert asked.returncode == 0, asked.stderr
    answered = {int(label): float(share) for label, share in re.findall(r"class (\d+): (\S+)", asked.stdout)}
    (expected_k,) = trained.probabilities(picture)
    assert [answered[label] for label in range(len(expected_k))] == pytest.approx(expected_k.tolist(), abs=1e-3)
    assert refused == (400, "images: FP32 is not allowed: it must be UINT8")


def _infer(address: str, given: dict[str, Any]) -> tuple[int, str]:
    body = json.dumps({"inputs": [given]}).encode()
    request = urllib.request.Request(f"{address}/v2/models/digits/infer", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, str(json.load(error)["error"])


KNOWN = """
import sys, yaml
import kserve
from kubernetes import client
from kserve import V1beta1InferenceService

document = yaml.safe_load(open(sys.argv[1]))
wire = {V1beta1InferenceService.attribute_map[name]: name for name in V1beta1InferenceService.attribute_map}
assert set(document) <= set(wire), document
predictor = document["spec"]["predictor"]
assert set(predictor) <= set(kserve.V1beta1PredictorSpec.attribute_map.values()), predictor
(container,) = predictor["containers"]
assert set(container) <= set(client.V1Container.attribute_map.values()), container

from kserve import model_server
import argparse
parser = argparse.ArgumentParser(parents=[model_server.parser])
parser.add_argument("--model")
print(parser.parse_args(container["args"]).model)
"""


def test_the_inference_service_has_fields_that_kserve_knows_and_flags_that_the_server_takes(folder: Path) -> None:
    done = called(folder, "python", "-c", KNOWN, SERVING / "inference-service.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "/mnt/models/model.onnx"


def test_the_example_for_the_model_registry_fits_its_client(folder: Path) -> None:
    strict = ("--strict", "--follow-untyped-imports", f"--cache-dir={folder}/mypy")
    done = called(folder, "python", "-m", "mypy", *strict, SERVING / "register_model.py")
    assert done.returncode == 0, done.stdout
    changed = folder / "register_model.py"
    changed.write_text((SERVING / "register_model.py").read_text().replace("model_format_name", "model_format_nme"))
    assert called(folder, "python", "-m", "mypy", *strict, changed).returncode == 1
