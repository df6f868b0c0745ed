import pytest

from enas_service.spaces import recurrent
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.wire import api_pb2, converters


def test_it_has_eight_nodes_where_the_experiment_does_not_say(build):
    space = recurrent.of(converters.experiment(build.recurrent()), None)
    assert space.counts == tuple(number for node in range(1, 9) for number in (node, 4))
    assert recurrent.of(converters.experiment(build.recurrent()), 12).num_nodes == 12


@pytest.mark.parametrize("num_layers", [0, 2])
def test_it_has_one_layer(build, num_layers):
    message = build.recurrent()
    message.spec.nas_config.graph_config.num_layers = num_layers
    with pytest.raises(InvalidExperiment, match=rf"numLayers: {num_layers} is not allowed: it must be 1: "):
        recurrent.of(converters.experiment(message), None)


@pytest.mark.parametrize(
    ("field", "given", "said"),
    [
        (
            "input_sizes",
            [32, 32, 3],
            "inputSizes: [32, 32, 3] is not allowed: it must list integers >= 3: [vocabulary]",
        ),
        ("input_sizes", [2], "inputSizes: [2] is not allowed: it must list integers >= 3: [vocabulary]"),
        ("output_sizes", [], "outputSizes: [] is not allowed: it must list integers >= 3: [vocabulary]"),
        ("output_sizes", [99], "outputSizes: [99] is not allowed: it must be the same as inputSizes, [10000]"),
    ],
)
def test_sizes_are_the_vocabulary(build, field, given, said):
    message = build.recurrent()
    getattr(message.spec.nas_config.graph_config, field)[:] = given
    with pytest.raises(InvalidExperiment) as caught:
        recurrent.of(converters.experiment(message), None)
    assert str(caught.value).startswith(f"nasConfig.graphConfig.{said}")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["tanh", "gelu"],
            "operations[1].operationType: 'gelu' is not allowed: the operations of a recurrent cell are ",
        ),
        (["tanh", "relu", "tanh"], "operations[2].operationType: 'tanh' is not allowed: a type may stand only once"),
        (["tanh"], "operations: ['tanh'] is not allowed: a search of cells needs at least two operations"),
        ([], "operations: [] is not allowed: a search of cells needs at least two operations"),
    ],
)
def test_operations_are_two_or_more_activation_functions(build, names, said):
    message = build.recurrent()
    del message.spec.nas_config.operations.operation[:]
    message.spec.nas_config.operations.operation.extend(build.operation(name) for name in names)
    with pytest.raises(InvalidExperiment) as caught:
        recurrent.of(converters.experiment(message), None)
    assert str(caught.value).startswith(f"nasConfig.{said}")


def test_an_activation_function_has_no_parameters(build):
    size = build.parameter("filter_size", api_pb2.CATEGORICAL, list=["3"])
    message = build.recurrent(build.operation("tanh", size), build.operation("relu"))
    with pytest.raises(InvalidExperiment, match=r"operations\[0\]\.parameters: \['filter_size'\] .*tanh has no para"):
        recurrent.of(converters.experiment(message), None)
