"""What a run found, for Python."""

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enas_trainer.macro import config
from katib_local import api
from katib_local.api import Run
from katib_local.drawing import architectures

NOTHING = "echo nothing"
SCRIPT = """\
for value in 0.1 0.3 "0.${1#v}"; do echo "score=$value loss=1.5"; done
[ $1 != v2 ] || exit 7
"""
"""The first trial comes to .3, the second fails, the third and the fourth come to .3 and .4."""

CONVOLUTION = {
    "opt_id": 0,
    "opt_type": "convolution",
    "opt_params": {"filter_size": "3", "num_filter": "8", "stride": "1"},
}
ARCHITECTURE = "[[0], [0, 1]]"
NN_CONFIG = json.dumps(
    {"num_layers": 2, "input_sizes": [8, 8, 1], "output_sizes": [10], "embedding": {"0": CONVOLUTION}}
).replace('"', "'")


@pytest.fixture
def call(
    service: str,
    write_manifest: Callable[..., Path],
    program: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Run]:
    def run(script: str = SCRIPT, changes: dict[str, Any] | None = None) -> Run:
        usual = {"spec.maxTrialCount": 4, "spec.objective.additionalMetricNames": ["loss"]}
        path = write_manifest(usual | (changes or {}))
        monkeypatch.chdir(tmp_path)
        images = {"tests/program": program(script)}
        return api.run(path, suggestion=service, images=images, progress=False)

    return run


def test_trials(call: Callable[..., Run]) -> None:
    found = call()
    first, second, _, best = found.trials
    assert found.best is best
    assert best.metrics == {"score": 0.4, "loss": 1.5}
    assert best.curves == {"score": (0.1, 0.3, 0.4), "loss": (1.5, 1.5, 1.5)}
    assert best.assignments == {"value": "v4"}
    assert best.seconds is not None
    assert (best.folder / "output.log").read_text().count("score=") == 3
    assert (second.condition.value, second.reason, first.reason) == ("failed", "exit code 7", "")
    assert first.picture is None
    assert repr(found) == (
        f"<Run of {found.name}: all trials are completed, 4 trials: 3 succeeded, 1 failed, best 0.4 of {best.name}>"
    )


def test_a_frame(call: Callable[..., Run]) -> None:
    found = call()
    frame = found.to_frame()
    assert list(frame.index) == [trial.name for trial in found.trials]
    assert list(frame.columns) == ["condition", "score", "loss", "started", "seconds", "value"]
    assert list(frame["condition"]) == ["succeeded", "failed", "succeeded", "succeeded"]
    assert frame["score"].dtype == np.float64
    assert frame["score"].idxmax() == found.best.name  # type: ignore[union-attr]
    assert (frame["seconds"] >= 0).all()
    assert list(frame["value"]) == ["v1", "v2", "v3", "v4"]


def test_a_frame_of_curves(call: Callable[..., Run]) -> None:
    frame = call().curves_to_frame()
    assert list(frame.columns) == ["trial", "metric", "step", "value"]
    assert len(frame) == 4 * 2 * 3
    assert frame.query("metric == 'score'").groupby("step")["value"].max().to_dict() == {1: 0.1, 2: 0.3, 3: 0.4}


def test_numbers_among_the_parameters_are_numbers(
    random_suggestion: str, write_manifest: Callable[..., Path], program: Callable[[str], Path], tmp_path: Path
) -> None:
    space = {"min": "3", "max": "5"}
    changes = {
        "spec.nasConfig": ...,
        "spec.parameters": [{"name": "value", "parameterType": "int", "feasibleSpace": space}],
    }
    images = {"tests/program": program("echo score=$1")}
    manifest = write_manifest(changes)
    out = tmp_path / "out"
    found = api.run(manifest, suggestion=random_suggestion, images=images, output_dir=out, progress=False)
    frame = found.to_frame()
    assert frame["value"].dtype == np.float64
    assert list(frame["value"]) == list(frame["score"])
    assert frame["value"].between(3, 5).all()


def test_without_pandas_a_frame_says_what_is_missing(call: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    found = call()
    monkeypatch.setitem(sys.modules, "pandas", None)
    for frame in (found.to_frame, found.curves_to_frame):
        with pytest.raises(ImportError, match="a frame needs pandas, which is not installed: pip install pandas"):
            frame()


def test_figures(call: Callable[..., Run]) -> None:
    found = call()
    objective = found.objective_figure()
    assert objective is not None
    assert list(objective.data[0].y) == [0.3, 0.3, 0.3, 0.4]
    assert objective.layout.title.text == "score of each trial, and the best so far"
    curves = found.curves_figure("loss")
    assert curves is not None
    assert [list(trace.y) for trace in curves.data] == [[1.5, 1.5, 1.5]] * 4
    assert found.curves_figure().layout.yaxis.title.text == "score"  # type: ignore[union-attr]
    assert (found.controller_figures(), found.alphas_figures()) == ([], [])
    with pytest.raises(ValueError, match="metric: 'lose' is not allowed: it must be one of score, loss"):
        found.curves_figure("lose")


def test_alphas_and_the_controller(call: Callable[..., Run]) -> None:
    table = "epoch,cell,source,node,operation,weight\\n1,normal,0,2,none,0.25\\n1,normal,0,2,skip,0.75\\n"
    found = call(f"printf '{table}' > $KATIB_NAS_OUTPUT_DIR/alphas.csv; echo score=1")
    history = found.folder / "service-state/mini/history.csv"
    history.parent.mkdir(parents=True)
    history.write_text("num_trials,best,loss,entropy,skip_rate\n2,,0,9.5,0.5\n4,0.3,0,9.0,0.25\n")
    found = api.load()
    assert len(found.alphas_figures()) == 4
    assert [list(row) for row in found.alphas_figures()[0].data[0].z] == [[0.25], [0.75]]
    entropy, skip_rate = found.controller_figures()
    assert (list(entropy.data[0].y), list(skip_rate.data[0].y)) == ([9.5, 9.0], [0.5, 0.25])


def test_nothing_was_measured(call: Callable[..., Run]) -> None:
    found = call(NOTHING, {"spec.maxFailedTrialCount": ...})
    assert found.best is None
    assert (found.objective_figure(), found.curves_figure()) == (None, None)
    assert [trial.metrics for trial in found.trials] == [{}] * 4
    assert found.to_frame()["score"].isna().all()
    assert found.curves_to_frame().empty
    assert "Best trial" not in found._repr_html_()
    assert repr(found).endswith("4 metrics unavailable>")


def test_a_text_and_nan_among_the_metrics(call: Callable[..., Run]) -> None:
    strategies = [{"name": "loss", "value": "latest"}]
    found = call("echo score=1; echo loss=nan", {"spec.objective.metricStrategies": strategies})
    # Katib's default pattern finds no value there.
    assert found.trials[0].metrics == {"score": 1.0}


@pytest.fixture
def drawn(call: Callable[..., Run]) -> Run:
    """A run whose trials had an architecture."""
    found = call()
    with closing(sqlite3.connect(found.folder / "experiment.db")) as connection, connection:
        assignments = json.dumps({"architecture": ARCHITECTURE, "nn_config": NN_CONFIG})
        connection.execute("UPDATE trials SET assignments = ?", (assignments,))
    return api.load()


def test_pictures(drawn: Run, tmp_path: Path) -> None:
    picture = drawn.trials[0].picture
    assert picture is not None
    expected = architectures.draw(*config.read(ARCHITECTURE, NN_CONFIG))
    assert picture.svg.replace("trial-1-", "").split() == expected.split()
    assert picture._repr_svg_() == picture.svg
    assert picture._repr_html_().startswith('<div style="overflow-x: auto"><svg style="max-width: 100%; min-width: ')
    assert repr(picture) == "Picture()"
    picture.save(tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").read_text() == picture.svg


def test_a_notebook_shows_the_best_trial(drawn: Run) -> None:
    shown = drawn._repr_html_()
    assert drawn.best is not None
    assert f"<p>Best trial: {drawn.best.name}</p>" in shown
    assert "<td>0.4</td>" in shown
    assert "layer 2: convolution 3x3" in shown


def test_texts_of_others_are_no_html(call: Callable[..., Run]) -> None:
    filters = {"source": {"filter": {"metricsFormat": [r"(\w+)=(<.*>)"]}}}
    found = call("echo 'score=<script>alert(1)</script>'", {"spec.metricsCollectorSpec": filters})
    assert found.best is not None
    assert found.best.metrics["score"] == "<script>alert(1)</script>"
    assert "<script>" not in found._repr_html_()
