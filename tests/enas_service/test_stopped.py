"""A service that is asked to end while it computes."""

import signal


def test_sigterm_during_a_call_ends_the_service_once_the_reply_is_there(start_service, build, tmp_path):
    """So it is with a rolling update: Kubernetes sends SIGTERM, and Katib's call is in flight."""
    experiment = build.enas(name="stopped", num_layers=8)
    request = build.request(experiment, 50)

    def start():
        service = start_service("enas_service", "--seed", "3", "--state-dir", str(tmp_path / "state"))
        service.wait_until_serving()
        return service

    service = start()
    call = service.stub.GetSuggestions.future(request, timeout=120)
    service.health()  # the call before it on the same connection has arrived
    assert not call.done()
    service.process.send_signal(signal.SIGTERM)
    reply = call.result()
    assert len(reply.parameter_assignments) == 50
    assert service.process.wait(60) == 0
    assert start().stub.GetSuggestions(request, timeout=60) == reply
