import pytest

from enas_service.limits import EnasLimits
from enas_service.spaces import micro
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.wire import api_pb2, converters


def sizes(build, *texts, name="filter_size", kind=api_pb2.CATEGORICAL):
    return build.parameter(name, kind, list=texts)


def test_operations_have_the_numbers_of_the_papers_code(build):
    space = micro.of(converters.experiment(build.micro()), None)
    assert [one.text for one in space.operations] == [
        "separable_convolution/filter_size=3",
        "separable_convolution/filter_size=5",
        "avg_pooling/filter_size=3",
        "max_pooling/filter_size=3",
        "skip_connection",
    ]
    assert space.num_nodes == 5
    assert micro.of(converters.experiment(build.micro()), 7).num_nodes == 7


@pytest.mark.parametrize("num_layers", [-1, 0, 1, 2, 101])
def test_a_depth_without_two_reduction_cells_is_refused(build, num_layers):
    with pytest.raises(InvalidExperiment, match=rf"nasConfig\.graphConfig\.numLayers: {num_layers} "):
        micro.of(converters.experiment(build.micro(num_layers=num_layers)), None)
    assert micro.of(converters.experiment(build.micro(num_layers=3)), None).num_layers == 3


def test_the_flag_raises_the_depth(build):
    experiment = converters.experiment(build.micro(num_layers=200))
    assert micro.of(experiment, None, EnasLimits(max_layers=200)).num_layers == 200


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("inputSizes", []),
        ("inputSizes", [32, 32]),
        ("inputSizes", [32, 32, 3, 1]),
        ("inputSizes", [32, 0, 3]),
        ("outputSizes", []),
        ("outputSizes", [10, 10]),
        ("outputSizes", [-1]),
    ],
)
def test_sizes_are_those_of_pictures_and_classes(build, field, given):
    message = build.micro()
    graph = message.spec.nas_config.graph_config
    {"inputSizes": graph.input_sizes, "outputSizes": graph.output_sizes}[field][:] = given
    with pytest.raises(InvalidExperiment) as caught:
        micro.of(converters.experiment(message), None)
    assert str(caught.value).startswith(f"nasConfig.graphConfig.{field}: {given} is not allowed: it must list integers")


def operations(build, change):
    three = sizes(build, "3")
    return {
        "unknown": [build.operation("convolution", three)],
        "twice": [build.operation("max_pooling", three), build.operation("max_pooling", three)],
        "no size": [build.operation("avg_pooling")],
        "width": [build.operation("separable_convolution", three, sizes(build, "32", name="num_filter"))],
        "parameter of a skip": [build.operation("skip_connection", three)],
        "integer": [build.operation("avg_pooling", build.parameter("filter_size", api_pb2.INT, min="3", max="3"))],
        "size": [build.operation("separable_convolution", sizes(build, "3", "4"))],
        "one": [build.operation("skip_connection")],
        "none": [],
    }[change]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("unknown", "operations[0].operationType: 'convolution' is not allowed: the operations of such a cell are "),
        ("twice", "operations[1].operationType: 'max_pooling' is not allowed: a type may stand only once"),
        ("no size", "operations[0].parameters: [] is not allowed: avg_pooling has one parameter, filter_size"),
        ("width", "operations[0].parameters: ['filter_size', 'num_filter'] is not allowed: separable_convolution has"),
        (
            "parameter of a skip",
            "operations[0].parameters: ['filter_size'] is not allowed: skip_connection has no para",
        ),
        ("integer", "operations[0].parameters[0].parameterType: 'int' is not allowed: it must be categorical"),
        ("size", "operations[0].parameters[0].feasibleSpace.list: '4' is not allowed: the filter sizes of separable_"),
        ("one", "operations: ['skip_connection'] is not allowed: a search of cells needs at least two operations"),
        ("none", "operations: [] is not allowed: a search of cells needs at least two operations"),
    ],
)
def test_operations_that_no_cell_has_are_refused(build, change, said):
    message = build.micro()
    del message.spec.nas_config.operations.operation[:]
    message.spec.nas_config.operations.operation.extend(operations(build, change))
    with pytest.raises(InvalidExperiment) as caught:
        micro.of(converters.experiment(message), None)
    assert str(caught.value).startswith(f"nasConfig.{said}")


def test_all_that_is_wrong_is_said_at_once(build):
    message = build.micro(build.operation("convolution"), build.operation("tanh"), num_layers=2)
    with pytest.raises(InvalidExperiment) as caught:
        micro.of(converters.experiment(message), None)
    assert [fault.field for fault in caught.value.faults] == [
        "nasConfig.graphConfig.numLayers",
        "nasConfig.operations[0].operationType",
        "nasConfig.operations[1].operationType",
    ]
