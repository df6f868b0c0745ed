"""What the test of several processes runs, alone and under torchrun: a search without norms, in float64."""

import sys
from pathlib import Path

import torch

from cell_networks.language_model import DropoutRates
from darts_service.settings import RecurrentSettings
from darts_trainer.recurrent.data import SearchText
from darts_trainer.recurrent.reading import Reading
from darts_trainer.recurrent.supernet import RecurrentSupernet
from darts_trainer.search.loop import Search
from trial_runtime.processes.processes import here
from trial_runtime.text import corpora

SETTINGS = RecurrentSettings(num_epochs=2, w_lr=2.0, batch_size=5, bptt=4, hidden_size=6, num_nodes=2, alpha_lr=0.05)


def searched(group, order):
    corpus = corpora.load("grammar:150", None, seed=0)
    supernet = RecurrentSupernet(
        ("tanh", "relu", "none"),
        vocabulary_size=len(corpus.vocabulary),
        num_nodes=2,
        hidden_size=6,
        generator=torch.Generator().manual_seed(0),
        normalised=False,
    ).double()
    data = SearchText(
        corpus, batch_size=5, bptt=4, rates=DropoutRates(output=0.4, state=0.2), model=supernet.model,
        device=torch.device("cpu"), seed=0, processes=group,
    )  # fmt: skip
    search = Search(Reading(supernet, data, slowness_weight=1e-3), SETTINGS, order=order, clips_ahead=True)
    epochs = [(epoch.training.loss, epoch.validation.loss) for epoch in search]
    return {"epochs": epochs, "state": search.state_dict()["supernet"]}


if __name__ == "__main__":
    torch.set_num_threads(1)
    process = here()
    with process.joined(torch.device("cpu")):
        found = {order: searched(process, order) for order in (1, 2)}
    torch.save(found, Path(sys.argv[1]) / f"{process.rank} of {process.size}.pt")
