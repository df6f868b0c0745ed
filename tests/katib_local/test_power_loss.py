"""A machine that loses its power under a run."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.katib_local.test_early_stopping import GOOD_THEN_BAD, stopping
from tests.system_calls import STRACE, Watch, in_place, torn


def test_what_a_run_publishes_is_on_the_disk_before_it_has_its_name(
    service: str,
    write_manifest: Callable[..., Path],
    program: Callable[[str], Path],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    watch, disk = Watch(tmp_path / "calls"), tmp_path / "disk"
    disk.mkdir()
    folder = program(f"{GOOD_THEN_BAD}; sleep 60")
    out = disk / "new" / "run"
    command = watch.command(
        *("-c", "from katib_local.commands.cli import main; main()", "run", write_manifest(stopping())),
        *("--suggestion", service, "--output-dir", out, "--image", f"tests/program={folder}"),
    )
    with subprocess.Popen(command, env=watch.environment(os.environ), stdout=subprocess.DEVNULL) as process:
        assert process.wait(100) == 0
    record_property("seen by", watch.way)
    calls = watch.calls(disk, process.pid)
    renamed = {call.new.name for call in calls if call.kind == "rename" and call.new is not None}
    assert renamed >= {"experiment.db", "exit_code", "early_stopped", "report.html", "best"}, watch.way
    assert torn(calls) == [], watch.way
    for index, call in enumerate(calls):
        if call.new is not None and call.new.name == "exit_code":
            of_output = [one.kind for one in calls[:index] if one.path == call.new.with_name("output.log")]
            assert of_output[-1] == "synchronise", watch.way
    # The database is its own master, which removes a journal at the end of each transaction.
    assert any(call.path.name == "experiment.db-journal" for call in calls) == (watch.way == STRACE)
    assert in_place(calls, disk) == {"lock", "output.log"}
