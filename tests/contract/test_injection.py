"""Nothing that a caller writes breaks a trial's manifest, is run by its shell, or leaves the state folder."""

import json
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from katib_local.manifest import template
from katib_local.manifest.experiment import TrialParameter, TrialTemplate
from katib_suggestion.parsing import assignment
from katib_suggestion.wire import api_pb2

HARMLESS = (
    "x; touch pwned",
    "x && touch pwned || touch pwned",
    "| touch pwned",
    "& touch pwned &",
    "> pwned",
    "<(touch pwned)",
    "(touch pwned)",
    "* ? [a-z]* {a,b} ~ ~root",
    "!touch !!",
    "# touch pwned",
    "--help",
    "-n",
    "%s%n {0}",
    "../../pwned",
    "  a   b  ",
    "é 中 \U0001f600",
    "{opt_id: 7}, [1]",
    "<script>touch</script>",
)
REFUSED = (
    "'",
    '"',
    "';touch pwned;'",
    '"; touch pwned; "',
    "$(touch pwned)",
    "${trialParameters.nnConfig}",
    "$HOME",
    "`touch pwned`",
    "\\",
    "\\u0022; touch pwned; \\u0022",
    "x\ntouch pwned",
    "x\r\ntouch pwned",
    "x\0",
    "x\x1b[2J",
    "x\u2028touch pwned",
    "x\u202etouch pwned",
    "x\u00a0y",
)
PLACES = ("operation type", "parameter name", "parameter value")
TRAINER = "import json, sys; json.dump(sys.argv[1:], open('received.json', 'w'))"


def experiment(build, place, texts):
    """An operation for each text, which stands in one place of it."""
    operations = []
    for text in texts:
        kind, name, value = (text if place == one else "usual" for one in PLACES)
        operations.append(build.operation(kind, build.parameter(name, api_pb2.CATEGORICAL, list=[value])))
    return build.enas(*operations, name=place, num_layers=8)


def started(assignments, folder, words):
    """Put assignments into a manifest as Katib does, run its command, and return what the trainer was given."""
    (folder / "trainer.py").write_text(TRAINER)
    flags = [f'{flag}="${{trialParameters.p{index}}}"' for index, flag in enumerate(words)]
    container = {"name": "main", "image": "i", "command": [sys.executable, "trainer.py"], "args": flags}
    pod = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    made = TrialTemplate(
        container="main",
        parameters=tuple(TrialParameter(name=f"p{index}", reference=name) for index, name in enumerate(words.values())),
        spec=json.dumps({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": pod}}),
    )
    rendered = template.render(made, "t-1", "team", assignments)
    assert rendered.argv[:2] == ("sh", "-c")
    subprocess.run(rendered.argv, cwd=folder, check=True, capture_output=True, timeout=60)
    assert sorted(path.name for path in folder.iterdir()) == ["received.json", "trainer.py"]
    received = json.loads((folder / "received.json").read_text())
    assert received == [f"{flag}={assignments[name]}" for flag, name in words.items()]
    return [assignment.decode(word.partition("=")[2]) for word in received]


@pytest.mark.parametrize("place", PLACES)
def test_the_trainer_gets_a_text_as_it_is(enas_service, build, tmp_path, place):
    request = build.request(experiment(build, place, HARMLESS), 20)
    words = {"--architecture": "architecture", "--nn_config": "nn_config"}
    seen = set()
    for index, suggestion in enumerate(build.assignments(enas_service.stub.GetSuggestions(request, timeout=60))):
        folder = tmp_path / str(index)
        folder.mkdir()
        _, config = started(suggestion, folder, words)
        for one in config["embedding"].values():
            ((name, value),) = one["opt_params"].items()
            seen.add({"operation type": one["opt_type"], "parameter name": name, "parameter value": value}[place])
    assert seen == set(HARMLESS)


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("place", PLACES)
def test_what_a_shell_or_json_reads_otherwise_is_refused(enas_service, build, place, text):
    message = experiment(build, place, [text])
    calls = {
        enas_service.stub.ValidateAlgorithmSettings: api_pb2.ValidateAlgorithmSettingsRequest(experiment=message),
        enas_service.stub.GetSuggestions: build.request(message, 1),
    }
    for call, request in calls.items():
        called = call.future(request, timeout=60)
        assert called.exception() is not None
        assert called.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert called.details().startswith("nasConfig.operations[0].")


@pytest.mark.parametrize("text", [*HARMLESS, *REFUSED, "1;touch pwned", "1e-3$(touch pwned)"])
@pytest.mark.parametrize(("algorithm", "setting"), [("enas", "controller_learning_rate"), ("darts", "w_lr")])
def test_no_setting_takes_more_than_a_number(enas_service, darts_service, build, algorithm, setting, text):
    service = {"enas": enas_service, "darts": darts_service}[algorithm]
    for settings in ({setting: text}, {text: "1"}):
        request = api_pb2.ValidateAlgorithmSettingsRequest(experiment=getattr(build, algorithm)(settings=settings))
        called = service.stub.ValidateAlgorithmSettings.future(request, timeout=60)
        assert called.exception() is not None
        assert called.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("text", [*HARMLESS, *REFUSED])
def test_what_the_darts_trainer_does_not_have_goes_nowhere(darts_service, build, tmp_path, text):
    size = build.parameter("filter_size", api_pb2.CATEGORICAL, list=["3"])
    other = build.parameter(text, api_pb2.CATEGORICAL, list=[text])
    message = build.darts(build.operation("max_pooling", size, other))
    called = darts_service.stub.GetSuggestions.future(build.request(message, 1), timeout=60)
    if text in REFUSED:
        assert called.exception() is not None
        assert called.code() == grpc.StatusCode.INVALID_ARGUMENT
    else:
        (suggestion,) = build.assignments(called.result())
        words = {"--settings": "algorithm-settings", "--space": "search-space", "--layers": "num-layers"}
        assert started(suggestion, tmp_path, words)[1:] == [["max_pooling_3x3"], 3]


NAMES = ("../x", "../../x/y", "/abs", "a\0b", "a\nb", ".", "..", "", "x" * 10_000, "\u202e", "~", "C:\\x", ".lock")


def test_no_name_leaves_the_state_folder(start_service, build, tmp_path):
    state = tmp_path / "inner" / "state"
    state.mkdir(parents=True)
    service = start_service("enas_service", "--state-dir", str(state), "--seed", "1")
    service.wait_until_serving()
    for name in NAMES:
        message = build.enas(name=name, num_layers=2)
        (first,) = build.assignments(service.stub.GetSuggestions(build.request(message, 1), timeout=60))
        assert first["architecture"]
    trials = [build.trial(name, first, {"Validation-Accuracy": "0.5"}) for name in NAMES]
    service.stub.GetSuggestions(build.request(message, 1, trials), timeout=60)
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]
    assert [path.name for path in state.parent.iterdir()] == ["state"]
    folders = [path for path in state.iterdir() if path.is_dir()]
    assert len(folders) == len(NAMES)
    assert all(path.name.replace("-", "").isalnum() and len(path.name) < 100 for path in folders)
    assert not Path("/abs").exists()
    assert service.process.poll() is None
