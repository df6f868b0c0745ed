import logging
import statistics
from concurrent.futures import ThreadPoolExecutor

import pytest

from enas_service.suggester import EnasSuggester
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Trial, TrialCondition
from katib_suggestion.parsing import assignment
from katib_suggestion.wire import api_pb2, converters

METRIC = "Validation-Accuracy"

FLOATS = (
    "temperature",
    "tanh_const",
    "entropy_weight",
    "baseline_decay",
    "learning_rate",
    "skip_target",
    "skip_weight",
)


def four_operations(build):
    return build.operation("convolution", build.parameter("filter_size", api_pb2.INT, min="1", max="4"))


def trial(name, assignments, value, condition=TrialCondition.SUCCEEDED):
    metrics = {} if value is None else {METRIC: str(value)}
    return Trial(name=name, condition=condition, assignments=assignments, metrics=metrics)


def share_of_operation_0(suggestion):
    rows = assignment.decode(suggestion["architecture"])
    return sum(row[0] == 0 for row in rows) / len(rows)


def ask(suggester, experiment, trials, count):
    return suggester.suggest(experiment, trials, count, len(trials) + count)


def search(suggester, experiment, rounds, reward=share_of_operation_0):
    """Run rounds of 3 trials; return every reward in order."""
    trials, rewards = [], []
    for round_ in range(rounds):
        for index, suggestion in enumerate(ask(suggester, experiment, trials, 3)):
            rewards.append(share_of_operation_0(suggestion))
            trials.append(trial(f"t-{round_}-{index}", suggestion, reward(suggestion)))
    return rewards


@pytest.mark.fault(3)
def test_the_search_finds_what_is_rewarded_though_it_starts_afresh_before_every_round(build):
    experiment = converters.experiment(build.enas(four_operations(build), num_layers=8))
    trials, rewards = [], []
    for _ in range(15):
        for suggestion in ask(EnasSuggester(1), experiment, trials, 3):
            rewards.append(share_of_operation_0(suggestion))
            trials.append(trial(f"t-{len(trials)}", suggestion, rewards[-1]))
    assert statistics.mean(rewards[:6]) < 0.5
    assert statistics.mean(rewards[-15:]) >= 0.7


@pytest.mark.fault(1)
@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long("two seeds tell of any fault")) for seed in (2, 3, 4))]
)
def test_the_search_finds_what_is_rewarded(build, seed):
    """Fault 1's synthetic reward with default settings: chance is .25, Katib's stays at .27."""
    experiment = converters.experiment(build.enas(four_operations(build), name=f"seed-{seed}", num_layers=8))
    rewards = search(EnasSuggester(seed), experiment, rounds=20)
    assert statistics.mean(rewards[:6]) < 0.5
    assert statistics.mean(rewards[-30:]) >= 0.7


def test_minimisation_negates(build):
    message = build.enas(four_operations(build), num_layers=4, settings={"controller_learning_rate": "1e-3"})
    message.spec.objective.type = api_pb2.MINIMIZE
    rewards = search(EnasSuggester(1), converters.experiment(message), rounds=20)
    assert statistics.mean(rewards[-30:]) < 0.15


@pytest.mark.fault(4)
@pytest.mark.parametrize(
    ("condition", "value"),
    [
        (TrialCondition.FAILED, None),
        (TrialCondition.FAILED, 0.5),
        (TrialCondition.RUNNING, None),
        (TrialCondition.CREATED, None),
        (TrialCondition.KILLED, None),
        (TrialCondition.UNKNOWN, None),
        (TrialCondition.METRICS_UNAVAILABLE, None),
        (TrialCondition.EARLY_STOPPED, None),
        (TrialCondition.EARLY_STOPPED, 0.5),
    ],
)
def test_without_a_succeeded_trial_it_proposes_anyway(build, condition, value):
    experiment = converters.experiment(build.enas())
    suggester = EnasSuggester(1)
    suggestions = ask(suggester, experiment, [], 2)
    trials = [trial(f"t{index}", one, value, condition) for index, one in enumerate(suggestions)]
    assert len(ask(suggester, experiment, trials, 3)) == 3
    assert len(ask(suggester, experiment, [], 3)) == 3


@pytest.mark.fault(4)
def test_an_early_stopped_trial_with_a_metric_is_credited(build):
    experiment = converters.experiment(build.enas(settings={"controller_learning_rate": "0.1"}))
    outcomes = []
    for condition in (TrialCondition.EARLY_STOPPED, TrialCondition.SUCCEEDED, TrialCondition.FAILED):
        suggester = EnasSuggester(1)
        first = ask(suggester, experiment, [], 6)
        trials = [trial(f"t{index}", one, index / 2, condition) for index, one in enumerate(first)]
        outcomes.append(ask(suggester, experiment, trials, 8))
    stopped, succeeded, failed = outcomes
    assert stopped == succeeded
    assert stopped != failed


@pytest.mark.fault(26)
@pytest.mark.parametrize("value", [None, "nan", "unavailable"])
@pytest.mark.parametrize(("direction", "worst"), [(api_pb2.MAXIMIZE, 0.2), (api_pb2.MINIMIZE, 0.9)])
def test_an_early_stopped_trial_without_a_metric_was_as_bad_as_the_worst(build, value, direction, worst):
    message = build.enas(settings={"controller_learning_rate": "0.1"})
    message.spec.objective.type = direction
    experiment = converters.experiment(message)
    outcomes = []
    for of_the_stopped in (worst, value):
        suggester = EnasSuggester(1)
        first = ask(suggester, experiment, [], 7)
        trials = [
            trial("a", first[0], of_the_stopped, TrialCondition.EARLY_STOPPED),
            *(
                trial(f"b{share}", one, share)
                for share, one in zip((0.2, 0.3, 0.4, 0.5, 0.6, 0.9), first[1:], strict=True)
            ),
        ]
        outcomes.append(ask(suggester, experiment, trials, 8))
    assert outcomes[0] == outcomes[1]
    assert suggester.statuses()[experiment.name].num_trials == 7


def test_an_early_stopped_trial_teaches_once_there_is_something_to_compare(build):
    experiment = converters.experiment(build.enas())
    suggester = EnasSuggester(1)
    first = ask(suggester, experiment, [], 2)
    stopped = trial("a", first[0], None, TrialCondition.EARLY_STOPPED)
    ask(suggester, experiment, [stopped], 2)
    assert suggester.statuses()[experiment.name].num_trials == 0
    ask(suggester, experiment, [stopped, trial("b", first[1], 0.5)], 2)
    assert suggester.statuses()[experiment.name].num_trials == 2


@pytest.mark.fault(5)
@pytest.mark.parametrize("value", [None, "", "fast", "nan", "inf", "-inf", "1e999", "Genotype(normal=[])"])
def test_a_metric_that_is_no_number_is_skipped_with_one_warning(build, value, caplog):
    experiment = converters.experiment(build.enas())
    suggester = EnasSuggester(1)
    first = ask(suggester, experiment, [], 3)
    trials = [trial("bad", first[0], value), trial("good", first[1], 0.5), trial("better", first[2], 0.9)]
    with caplog.at_level(logging.INFO):
        assert len(ask(suggester, experiment, trials, 3)) == 3
        assert len(ask(suggester, experiment, trials, 3)) == 3
    ours = [record for record in caplog.records if record.name.startswith("enas_service")]
    warnings = [record.getMessage() for record in ours if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "trial bad" in warnings[0]
    assert METRIC in warnings[0]
    assert "learning from better, good" in caplog.text


@pytest.mark.parametrize("architecture", ["", "[[9], [0, 0]]", "{'a': 1}", "[[0], [0, 1]]; rm"])
def test_a_trial_of_another_space_is_skipped_with_a_warning(build, architecture, caplog):
    experiment = converters.experiment(build.enas())
    trials = [trial("foreign", {"architecture": architecture, "nn_config": "{}"}, 0.5), trial("bare", {}, 0.5)]
    assert len(ask(EnasSuggester(1), experiment, trials, 2)) == 2
    assert "trial foreign teaches nothing" in caplog.text
    assert "trial bare teaches nothing" in caplog.text


def test_a_trial_is_counted_once_and_a_late_metric_still_counts(build, caplog):
    experiment = converters.experiment(build.enas())
    suggester = EnasSuggester(1)
    first = ask(suggester, experiment, [], 2)
    early = [trial("a", first[0], 0.1), trial("b", first[1], None, TrialCondition.RUNNING)]
    late = [trial("b", first[1], 0.7), trial("a", first[0], 0.1)]
    with caplog.at_level(logging.INFO):
        for total, trials in enumerate((early, early, late, late), start=3):
            suggester.suggest(experiment, trials, 1, total)
    learned = [record.getMessage() for record in caplog.records if "learning from" in record.getMessage()]
    assert learned == ["enas: learning from a", "enas: learning from b"]


@pytest.mark.fault(6)
def test_one_layer_is_searched(build):
    experiment = converters.experiment(build.enas(four_operations(build), num_layers=1))
    suggester = EnasSuggester(1)
    rewards = search(suggester, experiment, rounds=5)
    assert len(rewards) == 15
    assert {len(assignment.decode(one["architecture"])) for one in ask(suggester, experiment, [], 3)} == {1}


@pytest.mark.fault(7)
def test_two_experiments_on_one_server_are_kept_apart(build):
    suggester = EnasSuggester(1)
    small = converters.experiment(build.enas(name="small", num_layers=2))
    large = converters.experiment(build.enas(four_operations(build), name="large", num_layers=6))
    renewed = converters.experiment(build.enas(name="small", num_layers=3))
    for experiment, num_layers in [(small, 2), (large, 6), (small, 2), (renewed, 3)]:
        (suggestion,) = ask(suggester, experiment, [], 1)
        assert len(assignment.decode(suggestion["architecture"])) == num_layers


@pytest.mark.fault(7)
def test_the_trials_of_one_experiment_teach_no_other(build):
    def last(*experiments):
        suggester = EnasSuggester(1)
        first = ask(suggester, experiments[0], [], 3)
        for experiment in experiments[:-1]:
            trials = [trial(f"t{index}", one, index) for index, one in enumerate(first)]
            ask(suggester, experiment, trials, 3)
        return ask(suggester, experiments[-1], [], 3)

    one, other = (converters.experiment(build.enas(name=name)) for name in ("one", "other"))
    alone = ask(EnasSuggester(1), other, [], 3)
    assert last(one, one, other) == alone


@pytest.mark.fault(8)
def test_concurrent_calls_each_get_what_they_asked_for(build, caplog):
    experiment = converters.experiment(build.enas())
    suggester = EnasSuggester(1)
    trials = [trial(f"t{index}", one, index) for index, one in enumerate(ask(suggester, experiment, [], 6))]
    counts = [3, 4, 5, 6] * 10
    with caplog.at_level(logging.INFO), ThreadPoolExecutor(40) as pool:
        replies = list(pool.map(lambda count: ask(suggester, experiment, trials, count), counts))
    assert [len(reply) for reply in replies] == counts
    assert caplog.text.count("learning from t0, t1, t2, t3, t4, t5") == 1


def test_the_order_of_trials_does_not_matter(build):
    experiment = converters.experiment(build.enas())
    outcomes = []
    for step in (1, -1):
        suggester = EnasSuggester(1)
        trials = [trial(f"t{index}", one, index) for index, one in enumerate(ask(suggester, experiment, [], 4))]
        outcomes.append(ask(suggester, experiment, trials[::step], 4))
    assert outcomes[0] == outcomes[1]


@pytest.mark.fault(10)
@pytest.mark.parametrize(
    "space",
    [
        {"kind": api_pb2.INT, "min": "1", "max": "3", "step": "0"},
        {"kind": api_pb2.INT, "min": "3", "max": "1"},
        {"kind": api_pb2.INT, "max": "3"},
        {"kind": api_pb2.INT, "min": "2.0", "max": "3"},
        {"kind": api_pb2.DISCRETE},
        {"kind": api_pb2.CATEGORICAL, "list": ["it's"]},
        {"kind": api_pb2.DOUBLE, "min": "0", "max": "1"},
        {"kind": api_pb2.UNKNOWN_TYPE},
    ],
)
def test_what_suggest_cannot_run_does_not_validate(build, space):
    space = dict(space)
    message = build.enas(build.operation("convolution", build.parameter("filter_size", space.pop("kind"), **space)))
    place = r"nasConfig\.operations\[0\]\.parameters\[0\]"
    with pytest.raises(InvalidExperiment, match=place):
        EnasSuggester(1).validate(converters.experiment(message))
    with pytest.raises(InvalidExperiment, match=place):
        ask(EnasSuggester(1), converters.experiment(message), [], 1)


@pytest.mark.fault(10)
@pytest.mark.parametrize(
    ("space", "count"),
    [
        ({"kind": api_pb2.DOUBLE, "min": "0", "max": "1", "step": ".3"}, 4),
        ({"kind": api_pb2.DOUBLE, "min": "0.1", "max": "0.3", "step": "0.1"}, 3),
        ({"kind": api_pb2.INT, "min": "1", "max": "3"}, 3),
        ({"kind": api_pb2.DISCRETE, "list": ["3", "5"]}, 2),
    ],
)
def test_spaces_that_crash_katibs_own_are_searched(build, space, count):
    space = dict(space)
    message = build.enas(build.operation("convolution", build.parameter("rate", space.pop("kind"), **space)))
    suggester, experiment = EnasSuggester(1), converters.experiment(message)
    suggester.validate(experiment)
    seen = {row[0] for one in ask(suggester, experiment, [], 40) for row in assignment.decode(one["architecture"])}
    assert seen == set(range(count))


@pytest.mark.fault(11)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            (f"controller_{name}", text)
            for text in ("nan", "inf", "1e400")
            for name in (
                "temperature",
                "tanh_const",
                "entropy_weight",
                "baseline_decay",
                "learning_rate",
                "skip_target",
                "skip_weight",
            )
        ),
        ("controller_hidden_size", "99999999999999999999"),
        ("controller_hidden_size", "0"),
        ("controller_baseline_decay", "1.5"),
        ("controller_learning_rate", "None"),
        ("controller_train_steps", "0"),
        ("controller_train_steps", "1001"),
        ("controller_log_every_steps", "-1"),
        ("controller_temperature", "0"),
        ("controler_temperature", "5"),
    ],
)
def test_a_setting_out_of_bounds_or_unknown_is_refused(build, name, text):
    with pytest.raises(InvalidExperiment) as caught:
        EnasSuggester(1).validate(converters.experiment(build.enas(settings={name: text})))
    assert "algorithmSettings" in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.fault(11)
@pytest.mark.parametrize(
    "settings",
    [
        {"controller_skip_target": "1"},
        {"controller_temperature": "None", "controller_tanh_const": "None"},
        {"controller_entropy_weight": "None", "controller_skip_weight": "None"},
        {"controller_baseline_decay": "1", "controller_learning_rate": "1"},
        {"controller_hidden_size": "1", "controller_train_steps": "1", "controller_log_every_steps": "1"},
        {"suggestion_trial_dir": "/opt/katib/shared"},
    ],
)
def test_settings_at_the_ends_of_their_ranges_run(build, settings):
    experiment = converters.experiment(build.enas(four_operations(build), settings=settings))
    suggester = EnasSuggester(1)
    suggester.validate(experiment)
    assert len(search(suggester, experiment, rounds=3)) == 9


@pytest.mark.parametrize("change", ["type", "name"])
def test_an_experiment_without_an_objective_is_refused(build, change):
    message = build.enas()
    message.spec.objective.ClearField("type" if change == "type" else "objective_metric_name")
    with pytest.raises(InvalidExperiment, match="objective"):
        EnasSuggester(1).validate(converters.experiment(message))


def test_a_seed_makes_a_search_reproducible_and_its_absence_does_not(build):
    experiment = converters.experiment(build.enas())
    assert ask(EnasSuggester(3), experiment, [], 5) == ask(EnasSuggester(3), experiment, [], 5)
    assert ask(EnasSuggester(), experiment, [], 5) != ask(EnasSuggester(), experiment, [], 5)


@pytest.mark.fault(5)
def test_rewards_of_any_size_block_no_later_call(build):
    experiment = converters.experiment(build.enas())
    suggester = EnasSuggester(1)
    trials = []
    for value in (1.7e308, 1.7e308, -1.7e308, 1e-320, 0.5):
        trials += [trial(f"t{len(trials)}", one, value) for one in ask(suggester, experiment, trials, 3)]
    assert len(ask(suggester, experiment, trials, 3)) == 3


def test_the_same_request_gets_the_same_reply_and_trains_once(build, caplog):
    experiment = converters.experiment(build.enas())
    suggester = EnasSuggester(1)
    first = ask(suggester, experiment, [], 2)
    running = [trial(f"t{index}", one, None, TrialCondition.RUNNING) for index, one in enumerate(first)]
    finished = [trial(f"t{index}", one, index) for index, one in enumerate(first)]
    with caplog.at_level(logging.INFO):
        reply = ask(suggester, experiment, running, 3)
        assert ask(suggester, experiment, finished, 3) == reply
        assert "learning from" not in caplog.text
        assert suggester.suggest(experiment, finished, 3, 8) != reply
        assert ask(suggester, experiment, finished, 3) == reply
    assert caplog.text.count("learning from t0, t1") == 1


def test_no_architecture_is_proposed_twice_while_others_remain(build):
    experiment = converters.experiment(build.enas(four_operations(build), num_layers=2))
    suggester = EnasSuggester(1)
    trials = []
    for _ in range(11):
        condition = TrialCondition.RUNNING if len(trials) % 2 else TrialCondition.FAILED
        for one in ask(suggester, experiment, trials, 3):
            trials.append(trial(f"t{len(trials)}", one, 0.5, condition))
    architectures = [one.assignments["architecture"] for one in trials]
    assert len(set(architectures[:32])) == 32, "4 * 4 operations and one join"
    assert len(architectures) == 33


def test_the_log_says_once_when_architectures_begin_to_repeat(build, caplog):
    suggester = EnasSuggester(1)
    experiment = converters.experiment(build.enas(four_operations(build), num_layers=1))
    trials = []
    for number in range(6):
        trials += [trial(f"t-{number}", item, 0.5) for item in ask(suggester, experiment, trials, 1)]
        said = [message for message in caplog.messages if "from here on they repeat" in message]
        assert len(said) == (number >= 4)
    assert "the space has 4 architectures" in said[0]


def test_what_still_runs_is_not_proposed_again_after_a_restart(build):
    experiment = converters.experiment(build.enas(four_operations(build), num_layers=2))
    trials = []
    for _ in range(10):
        for one in ask(EnasSuggester(1), experiment, trials, 3):
            trials.append(trial(f"t{len(trials)}", one, None, TrialCondition.RUNNING))
    assert len({one.assignments["architecture"] for one in trials}) == 30


def test_an_experiment_that_was_made_again_starts_afresh(build, caplog):
    experiment = converters.experiment(build.enas())
    suggester = EnasSuggester(1)
    trials = [trial(f"old-{index}", one, index) for index, one in enumerate(ask(suggester, experiment, [], 3))]
    ask(suggester, experiment, trials, 3)
    assert suggester.suggest(experiment, [], 3, 3) == ask(EnasSuggester(1), experiment, [], 3)
    assert suggester.suggest(experiment, [], 2, 2) == suggester.suggest(experiment, [], 2, 2)
    assert "trials that it learned from are gone" in caplog.text


def test_a_search_is_let_go_when_it_is_idle(build, caplog):
    suggester = EnasSuggester(1, ttl_s=0)
    with caplog.at_level(logging.INFO):
        for name in ("first", "second"):
            ask(suggester, converters.experiment(build.enas(name=name)), [], 1)
    assert "first: let go from memory" in caplog.text
