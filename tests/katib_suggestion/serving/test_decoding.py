import pytest

from katib_suggestion.serving.decoding import has_more_fields
from katib_suggestion.wire import api_pb2

DESCRIPTOR = api_pb2.GetSuggestionsRequest.DESCRIPTOR


def count(message: bytes) -> int:
    return next(most for most in range(1_000) if not has_more_fields(message, DESCRIPTOR, most))


def test_fields_are_counted_at_every_depth(build):
    assert count(b"") == 0
    assert count(api_pb2.GetSuggestionsRequest(current_request_number=300).SerializeToString()) == 1
    request = api_pb2.GetSuggestionsRequest(trials=[api_pb2.Trial()] * 3)
    assert count(request.SerializeToString()) == 3
    request.trials[0].name = "\n\n\n"
    request.trials[1].spec.labels["a"] = "b"
    # A name; a spec, in it an entry of a map, in it a key and a value.
    assert count(request.SerializeToString()) == 3 + 1 + 4


def test_numbers_in_one_piece_are_counted_by_their_bytes(build):
    request = build.request(build.enas(), 1)
    before = count(request.SerializeToString())
    request.experiment.spec.nas_config.graph_config.input_sizes.extend([1] * 100)
    assert count(request.SerializeToString()) == before + 100


def test_unknown_fields_count_too():
    assert count(b"\xfa\x01\x02ab" + b"\xf9\x01" + bytes(8) + b"\xfd\x01" + bytes(4)) == 3


@pytest.mark.parametrize(
    "message", [b"\x0a", b"\x0a\x05a", b"\xff" * 20, b"\x0b\x0c", b"\x09\x00", b"\x0a\x02\x0a\x05abcde"]
)
def test_what_is_no_message_is_refused(message):
    with pytest.raises(ValueError, match=r"no field|beyond the end|without an end"):
        has_more_fields(message, DESCRIPTOR, 100)
