import json

import pytest
import torch

from trial_runtime.reporting.artifacts import prepare_folder, versions, write_json


def test_a_file_is_written_with_its_folder_and_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a" / "b" / "architecture.json"

    write_json(path, {"epochs": [1]})
    write_json(path, {"epochs": [1, 2], "name": "größer"})

    assert json.loads(path.read_text(encoding="utf-8")) == {"epochs": [1, 2], "name": "größer"}
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "architecture.json"
    write_json(path, {"loss": 1.0})

    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"loss": float("nan")})

    assert json.loads(path.read_text(encoding="utf-8")) == {"loss": 1.0}
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_the_machines_error(tmp_path):
    (tmp_path / "output").write_text("")

    with pytest.raises(OSError, match="output"):
        write_json(tmp_path / "output" / "architecture.json", {})
    with pytest.raises(OSError, match="output"):
        prepare_folder(tmp_path / "output")


def test_a_prepared_folder_is_there_and_empty(tmp_path):
    prepare_folder(tmp_path / "a" / "b")
    prepare_folder(tmp_path / "a" / "b")

    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_versions_name_what_computed():
    assert versions()["torch"] == torch.__version__
    assert set(versions()) == {"python", "torch", "katib-nas"}
