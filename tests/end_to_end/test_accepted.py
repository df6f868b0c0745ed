"""What a service accepts, it answers, and a trainer runs: experiments drawn at random, at tiny sizes.

KATIB_NAS_TEST_EXPERIMENTS says how many of each algorithm are drawn, in place of a few.
"""

import dataclasses
import os
import random

import grpc
import numpy as np
import pytest

from darts_genotype.activations import ACTIVATIONS
from darts_genotype.primitives import FILTER_SIZES, PRIMITIVES, SKIP_CONNECTION
from darts_trainer.__main__ import main as darts
from enas_trainer.__main__ import main as enas
from enas_trainer.macro.operation_types import AVG_POOLING, MAX_POOLING, TYPES
from katib_suggestion.parsing import assignment
from katib_suggestion.wire import api_pb2
from trial_runtime.program import EXIT_DIVERGED

SEEDS = range(int(os.environ.get("KATIB_NAS_TEST_EXPERIMENTS", "4")))
NUMBERS = ("0", "1e-30", "1e-8", "0.025", "0.5", "1", "1e3", "1e30", "1e39", "nan")


@pytest.fixture(scope="session")
def services(start_service):
    """A service of each algorithm, of their own processes: TensorFlow and torch do not go into one."""
    started = {name: start_service(f"{name}_service") for name in ("enas", "darts")}
    for service in started.values():
        service.wait_until_serving()
    return started


def suggested(service, draw, build):
    """Draw experiments until the service accepts one; return its suggestions."""
    for _ in range(100):
        experiment = draw()
        request = api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment)
        code = grpc.StatusCode.OK
        try:
            service.stub.ValidateAlgorithmSettings(request, timeout=60)
        except grpc.RpcError as error:
            code = error.code()
        if code == grpc.StatusCode.INVALID_ARGUMENT:
            continue
        assert code == grpc.StatusCode.OK
        return build.assignments(service.stub.GetSuggestions(build.request(experiment, 2), timeout=60))
    raise AssertionError("none was accepted")


def listed(build, name, values):
    return build.parameter(name, api_pb2.CATEGORICAL, list=[str(value) for value in values])


@pytest.mark.parametrize("seed", SEEDS)
def test_an_enas_experiment(seed, services, build, tmp_path, capfd):
    random_ = random.Random(seed)

    def draw():
        def some(*values):
            return random_.sample(values, random_.randint(1, min(2, len(values))))

        # The operations that the trainer knows, with all of their parameters: the service takes those of any trainer.
        values = {"filter_size": (1, 2, 3, 5), "num_filter": (1, 2, 3, 8), "stride": (1, 2, 3), "pool_size": (1, 2, 3)}
        values |= {"depth_multiplier": (1, 2), "reduction_type": (MAX_POOLING, AVG_POOLING)}
        operations = [
            build.operation(
                kind,
                *(listed(build, field.name, some(*values[field.name])) for field in dataclasses.fields(TYPES[kind])),
            )
            for kind in random_.sample(sorted(TYPES), random_.randint(1, 3))
        ]
        settings = {
            "controller_hidden_size": random_.choice(["1", "3", "8"]),
            "controller_temperature": random_.choice(["None", "1e-6", "5"]),
            "controller_learning_rate": random_.choice(["1e-30", "0.01", "1", "2"]),
        }
        return build.enas(
            *operations,
            name=f"accepted-{seed}",
            num_layers=random_.randint(1, 4),
            settings=settings,
        )

    for number, one in enumerate(suggested(services["enas"], draw, build)):
        flags = [f"--architecture={one['architecture']}", f"--nn_config={one['nn_config']}", "--num_epochs=1"]
        flags += ["--num_gpus=0", "--dataset=fake:20", "--batch-size=4", "--seed=1"]
        code = enas([*flags, f"--output-dir={tmp_path / str(number)}"])
        assert code == 0, (one, capfd.readouterr().err)


def run_cells(suggestions, flags, folder, capfd):
    """Run a trial of each."""
    for number, one in enumerate(suggestions):
        texts = [f"--architecture={one['architecture']}", f"--nn_config={one['nn_config']}"]
        more = ["--num_epochs=1", "--num_gpus=0", "--seed=1", f"--output-dir={folder / str(number)}"]
        assert enas([*texts, *flags, *more]) == 0, (one, capfd.readouterr().err)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_enas_experiment_over_cells_of_pictures(seed, services, build, tmp_path, capfd):
    random_ = random.Random(seed)

    def draw():
        operations = []
        for kind in random_.sample([*FILTER_SIZES, SKIP_CONNECTION], random_.randint(1, 3)):
            sizes = FILTER_SIZES.get(kind, ())
            some = random_.sample(sizes, random_.randint(1, len(sizes))) if sizes else []
            operations.append(build.operation(kind, *([listed(build, "filter_size", some)] if some else [])))
        message = build.micro(
            *operations,
            name=f"accepted-micro-{seed}",
            num_layers=random_.randint(2, 5),
            settings={"num_nodes": str(random_.randint(0, 3)), "controller_hidden_size": "3"},
        )
        message.spec.nas_config.graph_config.input_sizes[:] = random_.choice([[8, 8, 1], [1, 5, 2], [7, 7, 3]])
        return message

    suggestions = suggested(services["enas"], draw, build)
    height, width, channels = assignment.decode(suggestions[0]["nn_config"])["input_sizes"]
    flags = [*images(tmp_path, (height, width, channels)), "--batch-size=4", "--init-channels=2"]
    run_cells(suggestions[:1], flags, tmp_path, capfd)


def images(folder, shape):
    """The flag of twenty pictures of a shape (H, W, C), in ten classes."""
    drawn = np.random.default_rng(0).integers(256, size=(20, *shape), dtype=np.uint8)
    np.savez(folder / "images.npz", x=drawn, y=np.arange(20) % 10)
    return [f"--dataset=npz:{folder / 'images.npz'}", "--npz-layout=nhwc"]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_enas_experiment_over_recurrent_cells(seed, services, build, tmp_path, capfd):
    random_ = random.Random(seed)

    def draw():
        message = build.recurrent(
            *map(build.operation, random_.sample(ACTIVATIONS, random_.randint(1, 4))),
            name=f"accepted-recurrent-{seed}",
            vocabulary=random_.choice([2, 3, 20]),
            settings={"num_nodes": str(random_.randint(0, 5)), "controller_hidden_size": "3"},
        )
        message.spec.nas_config.graph_config.num_layers = random_.choice([1, 1, 2])
        return message

    flags = ["--dataset=grammar:300", "--batch-size=4", "--bptt=10", "--hidden-size=3"]
    run_cells(suggested(services["enas"], draw, build)[:1], flags, tmp_path, capfd)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_darts_experiment(seed, services, build, tmp_path, capfd):
    random_ = random.Random(seed)

    def draw():
        by_kind = {}
        for primitive in random_.sample(PRIMITIVES, random_.randint(1, 4)):
            kind, _, size = primitive.rpartition("_")
            if primitive == "skip_connection":
                kind, size = primitive, "1x1"
            by_kind.setdefault(kind, []).append(size.partition("x")[0])
        operations = [build.operation(kind, listed(build, "filter_size", sizes)) for kind, sizes in by_kind.items()]
        settings = {name: random_.choice(NUMBERS) for name in ("w_lr", "w_lr_min", "w_momentum", "w_weight_decay")}
        settings |= {name: random_.choice(NUMBERS) for name in ("w_grad_clip", "alpha_lr", "alpha_weight_decay")}
        sizes = {
            "num_epochs": (1,),
            "num_nodes": (1, 2, 3),
            "init_channels": (1, 2, 8),
            "stem_multiplier": (1, 3),
            "batch_size": (2, 5),
            "num_workers": (0, 1024),
        }
        settings = {name: value for name, value in settings.items() if random_.random() < 0.5}
        settings |= {name: str(random_.choice(values)) for name, values in sizes.items()}
        return build.darts(*operations, num_layers=random_.randint(1, 3), settings=settings)

    one = suggested(services["darts"], draw, build)[0]
    flags = [f"--{name}={text}" for name, text in one.items()]
    flags += ["--dataset=fake:20", "--device=cpu", "--seed=1", *random_.choice(([], ["--order=1"]))]
    flags += random_.choice(([], ["--checkpoint-cells"], ["--auxiliary-skip"] if "skip" in str(one) else []))
    code = darts([*flags, f"--output-dir={tmp_path}"])
    error = capfd.readouterr().err
    # Of numbers as large as they may be, a training that diverges is what they ask for.
    assert code == 0 or (code == EXIT_DIVERGED and "e30" in str(one)), (one, error)
