import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from darts_genotype.primitives import PRIMITIVES
from darts_service.settings import MAX_LAYERS, DartsSettings
from darts_service.suggester import DartsSuggester
from darts_trainer.images.config import from_arguments
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Experiment, Operation, Parameter, ParameterType
from katib_suggestion.parsing import settings
from katib_suggestion.parsing.assignment import MalformedAssignment, encode
from trial_runtime.command_line import CommandLineError

SETTINGS = "{'num_epochs': '1', 'w_lr': '0.1', 'batch_size': null, 'num_nodes': 1}"
SEARCH_SPACE = "['max_pooling_3x3', 'skip_connection']"


def read(settings=SETTINGS, search_space=SEARCH_SPACE, num_layers="3", *others):
    return from_arguments(
        [f"--algorithm-settings={settings}", f"--search-space={search_space}", f"--num-layers={num_layers}", *others]
    )


@pytest.mark.parametrize("quote", ["", '"'])
def test_katibs_values_are_read_with_and_without_literal_quotes(quote):
    config = read(*(f"{quote}{text}{quote}" for text in (SETTINGS, SEARCH_SPACE, "3")), "--seed", "1")
    assert config.settings == DartsSettings(num_epochs=1, w_lr=0.1, batch_size=None, num_nodes=1)
    assert config.search_space == ("max_pooling_3x3", "skip_connection")
    assert config.primitives == ("max_pooling_3x3", "skip_connection", "none")
    assert (config.num_layers, config.seed, config.order) == (3, 1, 2)


def test_what_the_service_sends_is_read():
    config = read(encode({"w_lr": "2.5e-2", "batch_size": None, "num_epochs": 50}), encode(list(PRIMITIVES)))
    assert (config.settings.w_lr, config.settings.num_epochs) == (0.025, 50)
    assert config.search_space == PRIMITIVES


@pytest.mark.fault(16)
@pytest.mark.parametrize("value", ["null", "'None'"])
def test_no_batch_size_is_read_as_none(value):
    assert read(f"{{'batch_size': {value}}}").settings.batch_size is None


def test_settings_that_are_not_given_take_katibs_defaults():
    config = read("{}")
    assert config.settings == DartsSettings()
    assert config.settings.batch_size == 128


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{'w_learning_rate': '0.1'}", "w_learning_rate"),
        ("{'w_lr': 'inf'}", "w_lr: 'inf'"),
        ("{'w_lr': 1e400}", "w_lr: 'inf'"),
        ("{'w_lr': true}", "w_lr: True .* a text, a number or null"),
        ("{'w_lr': null}", "w_lr: 'None'"),
        ("{'w_lr': []}", "w_lr"),
        ("{'num_epochs': '0'}", "num_epochs: '0'"),
        ("{'num_epochs': 1.5}", "num_epochs: '1.5'"),
        ("{'batch_size': '0'}", "batch_size: '0'"),
        ("{'num_nodes': '65'}", "num_nodes: '65' .* <= 64"),
        ("[]", "--algorithm-settings"),
        ("3", "--algorithm-settings"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings, message):
    with pytest.raises(InvalidExperiment, match=message):
        read(settings)


@pytest.mark.parametrize("settings", ["", "{'w_lr': '1', 'w_lr': '2'}", "{'w_lr': NaN}", "{'w_lr'"])
def test_settings_that_are_no_json_are_refused_by_flag(settings):
    with pytest.raises(MalformedAssignment, match="--algorithm-settings: not a value of JSON"):
        read(settings)


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("search_space", "message"),
    [
        ("[]", "at least one"),
        ("'max_pooling_3x3'", "must be a list"),
        ("['warp_3x3']", "'warp_3x3' .* the operations are separable_convolution_3x3"),
        ("['max_pooling_7x7']", "max_pooling_7x7"),
        ("['none']", "'none'"),
        ("[['max_pooling_3x3']]", "max_pooling_3x3"),
        ("[3]", "3 is not allowed"),
        ("['skip_connection', 'skip_connection']", "once"),
    ],
)
def test_wrong_search_spaces_are_refused(search_space, message):
    with pytest.raises(InvalidExperiment, match=f"--search-space: .*{message}"):
        read(SETTINGS, search_space)


@pytest.mark.parametrize("num_layers", ["0", "-3", "1.0", "true", "null", "'3'", "1001"])
def test_wrong_numbers_of_layers_are_refused(num_layers):
    with pytest.raises(InvalidExperiment, match=r"--num-layers: .* from 1 to 1000"):
        read(SETTINGS, SEARCH_SPACE, num_layers)


def test_as_many_layers_as_the_service_allows():
    assert read(SETTINGS, SEARCH_SPACE, "1000").num_layers == MAX_LAYERS


@pytest.mark.parametrize(
    "others",
    [["--order", "3"], ["--order", "x"], ["--orde", "1"], ["--seed", "-1"], ["--precision", "fp16"], ["extra"]],
)
def test_wrong_flags_are_refused(others):
    with pytest.raises(CommandLineError):
        read(SETTINGS, SEARCH_SPACE, "3", *others)


@pytest.mark.parametrize("missing", ["--algorithm-settings", "--search-space", "--num-layers"])
def test_katibs_three_values_are_required(missing):
    given = {"--algorithm-settings": SETTINGS, "--search-space": SEARCH_SPACE, "--num-layers": "3"}
    given.pop(missing)
    with pytest.raises(CommandLineError, match=missing):
        from_arguments([text for pair in given.items() for text in pair])


def test_options_of_the_trainer_alone(tmp_path):
    flags = ["--dataset", "fake:9", "--data-dir", str(tmp_path), "--output-dir", "o", "--order", "1", "--device", "cpu"]
    config = read(SETTINGS, SEARCH_SPACE, "3", *flags, "--max-images", "5", "--checkpoint-cells", "--precision", "bf16")
    assert (config.data.dataset, config.data.data_dir, config.output_dir) == ("fake:9", tmp_path, Path("o"))
    assert (config.order, config.device, config.data.max_images) == (1, torch.device("cpu"), 5)
    assert config.checkpoint_cells
    assert (config.precision, config.compile) == ("bf16", False)


def test_a_step_is_replayed_unless_asked_otherwise():
    replayed = read(SETTINGS, SEARCH_SPACE, "3", "--seed", "1")
    launched = read(SETTINGS, SEARCH_SPACE, "3", "--seed", "1", "--no-cuda-graph")
    assert (replayed.cuda_graph, launched.cuda_graph) == (True, False)
    assert replayed.configuration() == launched.configuration()


def test_translating_the_cells_needs_a_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(CommandLineError, match=r"--compile: .* no g\+\+ or clang\+\+ here"):
        read(SETTINGS, SEARCH_SPACE, "3", "--compile")
    (tmp_path / "clang++").touch(mode=0o755)
    assert read(SETTINGS, SEARCH_SPACE, "3", "--compile").compile


def test_environment_decides_where_flags_are_silent(monkeypatch, tmp_path):
    monkeypatch.setenv("KATIB_NAS_DATASET", "digits")
    monkeypatch.setenv("KATIB_NAS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KATIB_NAS_OUTPUT_DIR", str(tmp_path / "out"))
    config = read()
    assert (config.data.dataset, config.data.data_dir, config.output_dir) == ("digits", tmp_path, tmp_path / "out")
    assert read(SETTINGS, SEARCH_SPACE, "3", "--dataset", "fake").data.dataset == "fake"


def test_what_does_not_change_the_result_is_no_part_of_the_configuration():
    required = (SETTINGS, SEARCH_SPACE, "3")
    flags = ("--fresh", "--genotype", "best-validation", "--checkpoint-every-steps", "5", "--output-dir", "there")
    config, plain = read(*required, *flags), read(*required, "--device", "cpu")
    differing = {name for name, value in config.configuration().items() if plain.configuration()[name] != value}
    assert differing == {"seed"}
    assert {"settings.num_epochs", "order", "precision", "compile", "data.dataset", "seed"} <= set(
        plain.configuration()
    )


@pytest.mark.fault(19)
def test_a_fresh_seed_is_drawn_where_none_is_given():
    assert read().seed != read().seed
    assert read(SETTINGS, SEARCH_SPACE, "3", "--seed", "7").seed == 7


def experiment(*operations, num_layers=3, **changes):
    """An Experiment with these operations: a type, and its filter sizes if it has any."""
    return Experiment(
        name="darts",
        objective=None,
        settings=tuple(changes.items()),
        num_layers=num_layers,
        input_sizes=(),
        output_sizes=(),
        operations=tuple(
            Operation(
                type=kind,
                parameters=(Parameter(name="filter_size", type=ParameterType.CATEGORICAL, values=tuple(sizes)),)
                if sizes
                else (),
            )
            for kind, *sizes in operations
        ),
    )


@pytest.mark.parametrize(
    "asked",
    [
        experiment(("max_pooling", "3")),  # Katib's own example for CPUs: nothing to learn but which edges
        experiment(("skip_connection",)),
        experiment(("separable_convolution", "3", "5", "7"), ("dilated_convolution", "5"), ("skip_connection",)),
        experiment(("max_pooling", "3"), num_layers=1, num_epochs="1", num_nodes="1", init_channels="1"),
        experiment(("max_pooling", "3"), batch_size="None", w_grad_clip="0", num_nodes="64"),
    ],
)
def test_what_the_service_validates_the_trainer_takes(asked):
    DartsSuggester().validate(asked)
    (suggestion,) = DartsSuggester().suggest(asked, [], 1, 1)
    config = from_arguments([f"--{name}={value}" for name, value in suggestion.items()])
    assert config.settings == settings.parse(DartsSettings, asked.settings)
    assert config.num_layers == asked.num_layers


@pytest.mark.parametrize(
    ("operations", "search_space"),
    [
        ([], "[]"),
        ([("none",)], "['none']"),
        ([("max_pooling", "3"), ("max_pooling", "3")], "['max_pooling_3x3', 'max_pooling_3x3']"),
        ([("skip_connection",), ("skip_connection",)], "['skip_connection', 'skip_connection']"),
        ([("separable_convolution", "9")], "['separable_convolution_9x9']"),
        ([("warp", "3")], "['warp_3x3']"),
    ],
)
def test_a_search_space_that_makes_no_sense_is_refused_by_service_and_trainer_alike(operations, search_space):
    with pytest.raises(InvalidExperiment):
        DartsSuggester().validate(experiment(*operations))
    with pytest.raises(InvalidExperiment):
        read(SETTINGS, search_space)


FLAGS = (
    *("order", "precision", "genotype", "partial-channels", "stop-at-skips", "stop-when-stable", "alpha-warmup-epochs"),
    *("max-images", "train-portion", "image-size", "flip", "cutout", "seed", "device", "checkpoint-every-steps"),
)


@given(data=st.data())
def test_whatever_a_command_line_holds_it_is_a_search_or_refused(bad, data):
    values = {"num_epochs": "1", "w_lr": 0.025, "batch_size": None, "num_nodes": 2, "w_grad_clip": "5."}
    changed = [
        st.just(as_text(value))
        | bad.text(as_text(value))
        | bad.document({"": value}).map(lambda held: as_text(held.get("")))
        for value in (values, list(PRIMITIVES), 3)
    ]
    flags = st.builds(
        "--{}={}".format, st.sampled_from(FLAGS), bad.texts | st.sampled_from(["1", "0.5", "cuda:9", "on"])
    )
    refusal = None
    try:
        config = read(*map(data.draw, changed), *data.draw(st.lists(flags | bad.texts, max_size=2)))
    except (CommandLineError, InvalidExperiment, MalformedAssignment) as error:
        refusal = str(error)
    if refusal is None:
        assert 1 <= config.num_layers <= MAX_LAYERS
        assert set(config.search_space) <= set(PRIMITIVES)
    else:
        assert refusal


def as_text(value):
    """What json writes of any value, in single quotes."""
    return json.dumps(value).replace('"', "'")
