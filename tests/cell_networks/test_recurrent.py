"""The language model of a cell, beside the equations of the paper and the published numbers."""

import pytest
import torch
from torch.nn import functional

from cell_networks.language_model import DropoutRates, LanguageModel, Masks, cross_entropy, slowness
from cell_networks.recurrent import RecurrentCell, language_model
from darts_genotype.recurrent import RecurrentGenotype

V1 = RecurrentGenotype.of(
    ("relu", 0), ("relu", 1), ("tanh", 2), ("relu", 3), ("relu", 4), ("identity", 1), ("relu", 5), ("relu", 1)
)
V2 = RecurrentGenotype.of(
    ("sigmoid", 0), ("relu", 1), ("relu", 1), ("identity", 1), ("tanh", 2), ("sigmoid", 5), ("tanh", 3), ("relu", 5)
)
"""First and second order, as the paper's authors published them."""


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def model(genotype=V2, **options):
    return language_model(genotype, 11, 6, generator=generator(), **options).double()


def words(steps=5, batch_size=3):
    return torch.randint(11, (steps, batch_size), generator=generator(1))


def by_hand(network, words_tb, state_bh, masks):
    """The equations, with all four functions, for V2: a step at a time, a node at a time, nothing shared with ours."""
    w = dict(network.named_parameters())
    size = state_bh.shape[1]
    functions = {
        "tanh": torch.tanh,
        "relu": lambda x: x.clamp(min=0),
        "sigmoid": torch.sigmoid,
        "identity": lambda x: x,
    }
    logits, outputs = [], []
    for word_b in words_tb:
        e = w["embedding_vh"][word_b] * masks.word_v[word_b][:, None] * masks.embedded_bh
        a, b = (
            torch.cat([e * masks.input_lbh[0], state_bh * masks.state_lbh[0]], 1) @ w["cells.0.input_weight_hg"]
        ).split(size, 1)
        s = [state_bh + a.sigmoid() * (b.tanh() - state_bh)]
        for node, (name, source) in enumerate(V2.recurrent):
            a, b = ((s[source] * masks.state_lbh[0]) @ w["cells.0.node_weight_nhg"][node]).split(size, 1)
            s.append(s[source] + a.sigmoid() * (functions[name](b) - s[source]))
        state_bh = sum(s[1:]) / 8
        outputs.append(state_bh)
        logits.append((state_bh * masks.output_bh) @ w["embedding_vh"].T + w["decoder_bias_v"])
    return torch.stack(logits), torch.stack(outputs)


def test_it_computes_the_equations():
    network = model()
    rates = DropoutRates(output=0.5, state=0.3, input=0.4, embedded=0.2, word=0.1)
    masks = Masks(*(mask.double() for mask in Masks.draw(rates, network, 3, generator(2))))
    state_lbh = torch.randn(1, 3, 6, generator=generator(3), dtype=torch.float64)
    read = network(words(), state_lbh, masks)
    logits_tbv, outputs_tbh = by_hand(network, words(), state_lbh[0], masks)
    torch.testing.assert_close(read.logits_tbv, logits_tbv, rtol=0, atol=1e-12)
    torch.testing.assert_close(read.outputs_tbh, outputs_tbh, rtol=0, atol=1e-12)
    torch.testing.assert_close(read.state_lbh[0], outputs_tbh[-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("vocabulary_size", "hidden_size", "expected"),
    [(10_000, 850, 22_960_000), (33_278, 700, 33_127_878)],
)
def test_the_published_cells_have_the_published_numbers_of_parameters(vocabulary_size, hidden_size, expected):
    with torch.device("meta"):
        network = language_model(V2, vocabulary_size, hidden_size, generator=None)
    assert sum(weight.numel() for weight in network.parameters()) == expected


def test_layers_read_what_the_layer_below_says():
    network = model(num_layers=2)
    state_lbh = network.initial_state(3)
    read = network(words(), state_lbh)
    below, above = network.cells
    below_tbh = below(functional.embedding(words(), network.embedding_vh), state_lbh[0])
    above_tbh = above(below_tbh, state_lbh[1])
    torch.testing.assert_close(read.outputs_tbh, above_tbh)
    torch.testing.assert_close(read.state_lbh, torch.stack([below_tbh[-1], above_tbh[-1]]))


def test_a_text_in_two_pieces_is_the_text_in_one():
    network = model(num_layers=2)
    whole = network(words(), network.initial_state(3))
    first = network(words()[:2], network.initial_state(3))
    second = network(words()[2:], first.state_lbh)
    torch.testing.assert_close(torch.cat([first.logits_tbv, second.logits_tbv]), whole.logits_tbv)
    torch.testing.assert_close(second.state_lbh, whole.state_lbh)


def test_the_output_is_the_mean_of_the_nodes_in_concat():
    some = RecurrentGenotype(recurrent=V1.recurrent, concat=(6, 7, 8))
    cells = [RecurrentCell(genotype, 6).double() for genotype in (some, V1)]
    for weight in cells[0].parameters():
        torch.nn.init.normal_(weight, generator=generator())
    cells[1].load_state_dict(cells[0].state_dict())
    x_tbh, state_bh = torch.randn(1, 2, 6, dtype=torch.float64), torch.zeros(2, 6, dtype=torch.float64)
    assert not torch.allclose(cells[0](x_tbh, state_bh), cells[1](x_tbh, state_bh))


def test_embedding_and_decoder_are_one_matrix():
    network = model()
    loss = cross_entropy(network(words(), network.initial_state(3)), words())
    gradient_vh = torch.autograd.grad(loss, network.embedding_vh)[0]
    absent = sorted(set(range(11)) - set(words().flatten().tolist()))
    assert absent, "a word that stands nowhere learns by way of the decoder alone"
    assert gradient_vh[absent].abs().min() > 0
    assert [name for name, _ in network.named_parameters()].count("embedding_vh") == 1


def test_weights_begin_in_the_published_range_and_by_the_seed():
    network, again = model(), model()
    for (name, weight), other in zip(network.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(weight, other)
        assert weight.abs().max() <= (0 if name == "decoder_bias_v" else 0.04)


def test_dropped_numbers_keep_the_mean():
    rates = DropoutRates(output=0.75, state=0.25, input=0.0, embedded=0.2, word=0.1)
    network = LanguageModel([], 20_000, 100, generator=generator())
    masks = Masks.draw(rates, network, 300, generator())
    assert masks.input_lbh is None
    assert rates.drops() == [mask is not None for mask in masks]
    for mask, rate in ((masks.output_bh, 0.75), (masks.embedded_bh, 0.2), (masks.word_v, 0.1)):
        assert mask.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)])
        assert float(mask.mean()) == pytest.approx(1, abs=0.05)


def test_processes_draw_shares_of_one_batch():
    rates = DropoutRates(output=0.5, state=0.5, input=0.5, embedded=0.5, word=0.5)
    network = model()
    whole = Masks.draw(rates, network, 6, generator())
    shares = [Masks.draw(rates, network, 6, generator(), share) for share in (slice(0, 2), slice(2, 6))]
    for name in Masks._fields[:-1]:
        joint = torch.cat([getattr(share, name) for share in shares], dim=-2)
        assert torch.equal(joint, getattr(whole, name))
    assert torch.equal(shares[0].word_v, whole.word_v)


def test_slowness_is_the_mean_square_of_the_changes():
    network = model()
    read = network(words(), network.initial_state(3))
    outputs = read.outputs_tbh
    expected = torch.stack([(outputs[t + 1] - outputs[t]).pow(2) for t in range(4)]).mean()
    torch.testing.assert_close(slowness(read), expected)
    assert slowness(network(words(1), network.initial_state(3))).detach() == 0
