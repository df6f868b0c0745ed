"""Two ENAS services on one state folder, as a rolling update has them."""

import time

from grpc_health.v1 import health_pb2

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def wait_for_log(service, text):
    deadline = time.monotonic() + 60
    while text not in service.log.read_text():
        assert time.monotonic() < deadline, service.log.read_text()
        time.sleep(0.05)


def test_the_second_waits_for_the_first_or_serves_from_memory(start_service, build, tmp_path):
    experiment = build.enas(name="shared", num_layers=3)
    state = tmp_path / "state"

    def start(*flags):
        return start_service("enas_service", "--seed", "3", "--state-dir", str(state), *flags)

    def go_on(service, trials):
        reply = service.stub.GetSuggestions(build.request(experiment, 2, trials), timeout=60)
        new = build.assignments(reply)
        metrics = {"Validation-Accuracy": "0.5"}
        return [*trials, *(build.trial(f"t{len(trials) + index}", one, metrics) for index, one in enumerate(new))]

    def files():
        return {path for path in state.rglob("*") if path.is_file()}

    first = start()
    first.wait_until_serving()
    impatient = start("--state-wait", "0.5")
    trials = go_on(first, [])
    deadline = time.monotonic() + 60
    while "importance.csv" not in {path.name for path in files()}:  # it comes a moment after the reply
        assert time.monotonic() < deadline
        time.sleep(0.05)
    saved = files()
    impatient.wait_until_serving()
    assert "serving from memory until it ends" in impatient.log.read_text()
    trials = go_on(impatient, trials)
    assert files() == saved

    patient = start("--state-wait", "60")
    wait_for_log(patient, "is in use by another process: waiting up to 60 s")
    assert patient.health() == NOT_SERVING
    first.process.kill()
    patient.wait_until_serving()
    trials = go_on(patient, trials)
    assert "shared: going on after 0 trials" in patient.log.read_text()
    saved = files()
    trials = go_on(impatient, trials)
    assert files() == saved

    patient.process.terminate()
    assert patient.process.wait(30) == 0
    go_on(impatient, trials)
    assert files() != saved
    assert len({one.spec.parameter_assignments.assignments[0].value for one in trials}) == len(trials)
