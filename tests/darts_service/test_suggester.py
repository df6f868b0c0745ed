import re

import pytest

from darts_genotype.primitives import FILTER_SIZES, PRIMITIVES
from darts_service.suggester import DartsSuggester
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing import assignment
from katib_suggestion.wire import converters

ALL = [
    "separable_convolution_3x3",
    "dilated_convolution_3x3",
    "dilated_convolution_5x5",
    "avg_pooling_3x3",
    "max_pooling_3x3",
    "skip_connection",
]


def suggest(message, count=1):
    return DartsSuggester().suggest(converters.experiment(message), [], count, count)


def refusal(message):
    with pytest.raises(InvalidExperiment) as caught:
        DartsSuggester().validate(converters.experiment(message))
    with pytest.raises(InvalidExperiment):
        suggest(message)
    return str(caught.value)


@pytest.mark.fault(14)
def test_the_search_space_of_katibs_gpu_example(build):
    (suggestion,) = suggest(build.darts())
    assert set(suggestion) == {"algorithm-settings", "search-space", "num-layers"}
    assert suggestion["num-layers"] == "3"
    assert assignment.decode(suggestion["search-space"]) == ALL
    assert suggestion["search-space"].startswith("['separable_convolution_3x3', ")


def test_settings_are_all_there_and_the_users_stay_text(build):
    (suggestion,) = suggest(build.darts(settings={"num_epochs": "3", "w_lr": "1e-2", "suggestion_trial_dir": "/x"}))
    assert assignment.decode(suggestion["algorithm-settings"]) == {
        "num_epochs": "3",
        "w_lr": "1e-2",
        "w_lr_min": 0.001,
        "w_momentum": 0.9,
        "w_weight_decay": 3e-4,
        "w_grad_clip": 5.0,
        "alpha_lr": 3e-4,
        "alpha_weight_decay": 1e-3,
        "batch_size": 128,
        "num_workers": 4,
        "init_channels": 16,
        "print_step": 50,
        "num_nodes": 4,
        "stem_multiplier": 3,
    }


@pytest.mark.fault(16)
def test_a_batch_size_of_none_is_sent_as_null(build):
    (suggestion,) = suggest(build.darts(settings={"batch_size": "None"}))
    assert "'batch_size': null" in suggestion["algorithm-settings"]


@pytest.mark.fault(13)
def test_every_call_is_answered_alike(build):
    experiment = converters.experiment(build.darts())
    suggester = DartsSuggester()
    first = suggester.suggest(experiment, [], 2, 2)
    assert suggester.suggest(experiment, [], 3, 5) == [first[0]] * 3
    assert first[0] == first[1]


@pytest.mark.fault(15)
def test_the_filter_size_is_found_by_name_and_of_any_type(build):
    import katib_suggestion.wire.api_pb2 as pb

    other = build.parameter("a", pb.CATEGORICAL, list=["a"])
    operations = [
        build.operation("max_pooling", other, build.parameter("filter_size", pb.CATEGORICAL, list=["3"])),
        build.operation("separable_convolution", build.parameter("filter_size", pb.INT, min="3", max="7", step="2")),
        build.operation("dilated_convolution", build.parameter("filter_size", pb.DISCRETE, list=["5", "3"])),
    ]
    (suggestion,) = suggest(build.darts(*operations))
    assert assignment.decode(suggestion["search-space"]) == [
        "max_pooling_3x3",
        "separable_convolution_3x3",
        "separable_convolution_5x5",
        "separable_convolution_7x7",
        "dilated_convolution_5x5",
        "dilated_convolution_3x3",
    ]


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("kind", "sizes", "said"),
    [
        ("warp", ["3"], "nasConfig.operations[0].operationType: 'warp'"),
        ("none", ["3"], "nasConfig.operations[0].operationType: 'none'"),
        ("max_pooling", ["7"], "the trainer has max_pooling with 3"),
        ("dilated_convolution", ["3", "7"], "the trainer has dilated_convolution with 3, 5"),
        ("separable_convolution", ["a"], "the trainer has separable_convolution with 3, 5, 7"),
        ("separable_convolution", [], "feasibleSpace.list: []"),
        ("separable_convolution", ["3", "3"], "feasibleSpace.list: '3'"),
        ("separable_convolution", None, "separable_convolution needs a filter_size"),
    ],
)
def test_an_operation_that_the_trainer_lacks_is_refused(build, kind, sizes, said):
    import katib_suggestion.wire.api_pb2 as pb

    parameters = [] if sizes is None else [build.parameter("filter_size", pb.CATEGORICAL, list=sizes)]
    assert said in refusal(build.darts(build.operation(kind, *parameters)))


@pytest.mark.fault(15)
def test_an_operation_twice_and_none_at_all_are_refused(build):
    skip = build.operation("skip_connection")
    assert "skip_connection" in refusal(build.darts(skip, skip))
    empty = build.darts()
    del empty.spec.nas_config.operations.operation[:]
    assert "nasConfig.operations: []" in refusal(empty)


@pytest.mark.fault(15)
@pytest.mark.parametrize("num_layers", [0, -3, 1_001])
def test_a_depth_that_cannot_be_built_is_refused(build, num_layers):
    assert f"nasConfig.graphConfig.numLayers: {num_layers}" in refusal(build.darts(num_layers=num_layers))


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("w_lr", "inf"),
        ("w_lr", "nan"),
        ("w_lr_min", "-1"),
        ("alpha_lr", "1e400"),
        ("num_epochs", "0"),
        ("batch_size", "0"),
        ("num_workers", "-1"),
        ("num_nodes", "four"),
        ("stem_multiplier", "1.5"),
        ("print_step", ""),
        ("batch_size", "1000001"),
        ("num_workers", "1025"),
        ("init_channels", "4097"),
        ("num_nodes", "65"),
        ("stem_multiplier", "65"),
        ("w_momentum", "None"),
        ("epochs", "3"),
    ],
)
def test_a_setting_out_of_bounds_or_unknown_is_refused(build, name, text):
    said = refusal(build.darts(settings={name: text}))
    assert repr(text) in said or repr(name) in said


def test_the_largest_sizes_are_accepted(build):
    largest = {"batch_size": "1000000", "num_workers": "1024", "init_channels": "4096", "num_nodes": "64"}
    (suggestion,) = suggest(build.darts(settings=largest | {"stem_multiplier": "64"}, num_layers=1_000))
    assert suggestion["num-layers"] == "1000"
    assert assignment.decode(suggestion["algorithm-settings"]).items() >= largest.items()


def test_the_shared_list_names_every_primitive_once():
    assert len(PRIMITIVES) == len(set(PRIMITIVES)) == sum(len(sizes) for sizes in FILTER_SIZES.values()) + 1


ACTIVATIONS = ["tanh", "relu", "sigmoid", "identity"]


def recurrent(build, *types, **options):
    message = build.darts(**options)
    del message.spec.nas_config.operations.operation[:]
    message.spec.nas_config.operations.operation.extend(build.operation(kind) for kind in types or ACTIVATIONS)
    message.spec.nas_config.graph_config.num_layers = 1
    return message


def test_activation_functions_make_a_search_for_a_recurrent_cell(build):
    (suggestion,) = suggest(recurrent(build, settings={"num_epochs": "3", "suggestion_trial_dir": "/x"}))
    assert suggestion["search-space"] == "['tanh', 'relu', 'sigmoid', 'identity']"
    assert suggestion["num-layers"] == "1"
    assert assignment.decode(suggestion["algorithm-settings"]) == {
        "num_epochs": "3",
        "w_lr": 20.0,
        "w_lr_min": 20.0,
        "w_momentum": 0.0,
        "w_weight_decay": 5e-7,
        "w_grad_clip": 0.25,
        "w_slowness": 1e-3,
        "alpha_lr": 3e-3,
        "alpha_weight_decay": 1e-3,
        "batch_size": 256,
        "bptt": 35,
        "num_workers": 4,
        "hidden_size": 300,
        "print_step": 50,
        "num_nodes": 8,
        "dropout": 0.75,
        "dropouth": 0.25,
        "dropoutx": 0.75,
        "dropouti": 0.2,
        "dropoute": 0.0,
    }


def test_a_learning_rate_stays_as_it_is_unless_its_end_is_given(build):
    (suggestion,) = suggest(recurrent(build, settings={"w_lr": "3"}))
    assert assignment.decode(suggestion["algorithm-settings"])["w_lr_min"] == 3.0
    (suggestion,) = suggest(recurrent(build, settings={"w_lr": "3", "w_lr_min": "1"}))
    assert assignment.decode(suggestion["algorithm-settings"])["w_lr_min"] == "1"


@pytest.mark.parametrize(
    ("types", "settings", "message"),
    [
        (["tanh", "skip_connection"], {}, r"operations\[1\].operationType: 'skip_connection'.*tanh, relu, sigmoid"),
        (["max_pooling", "relu"], {}, r"operations\[0\].operationType: 'max_pooling'"),
        (["tanh", "warp"], {}, "'warp'"),
        (["relu", "relu"], {}, "only once"),
        (["tanh"], {"init_channels": "4"}, "init_channels.*unknown setting"),
        (["tanh"], {"stem_multiplier": "4"}, "stem_multiplier.*unknown setting"),
        (["tanh"], {"batch_size": "None"}, "batch_size: 'None'"),
        (["tanh"], {"dropouth": "1"}, "dropouth: '1'.*>= 0 and < 1"),
        (["tanh"], {"dropouth": "nan"}, "dropouth: 'nan'"),
        (["tanh"], {"hidden_size": "0"}, "hidden_size: '0'"),
        (["skip_connection"], {"hidden_size": "8"}, "hidden_size.*unknown setting"),
    ],
)
def test_what_no_recurrent_search_has_is_refused_by_its_name(build, types, settings, message):
    found = refusal(recurrent(build, *types, settings=settings))
    assert re.search(message, found), found


def test_a_function_with_parameters_is_refused(build):
    import katib_suggestion.wire.api_pb2 as pb

    message = recurrent(build, "tanh")
    parameter = build.parameter("filter_size", pb.CATEGORICAL, list=["3"])
    message.spec.nas_config.operations.operation[0].CopyFrom(build.operation("tanh", parameter))
    assert re.search(r"operations\[0\].parameters.*filter_size.*tanh has no parameters", refusal(message))
