import pytest
import torch

from cell_networks.language_model import DropoutRates
from darts_service.settings import RecurrentSettings
from darts_trainer.recurrent.data import SearchText
from darts_trainer.recurrent.reading import Reading
from darts_trainer.recurrent.supernet import RecurrentSupernet
from darts_trainer.search.loop import Search
from trial_runtime.processes.processes import ALONE
from trial_runtime.text import corpora

RATES = DropoutRates(output=0.4, state=0.2, input=0.3, embedded=0.2, word=0.1)
SETTINGS = RecurrentSettings(
    num_epochs=2, w_lr=2.0, batch_size=4, bptt=6, hidden_size=8, num_nodes=3, alpha_lr=0.05, w_weight_decay=1e-3
)


@pytest.fixture(scope="session")
def corpus():
    return corpora.load("grammar:400", None, seed=0)


@pytest.fixture
def reading(corpus):
    """Make the problem of a small search."""

    def make(*, seed=0, dtype=torch.float32, settings=SETTINGS, processes=ALONE, **options):
        supernet = RecurrentSupernet(
            ("tanh", "relu", "sigmoid", "identity", "none"),
            vocabulary_size=len(corpus.vocabulary),
            num_nodes=settings.num_nodes,
            hidden_size=settings.hidden_size,
            generator=torch.Generator().manual_seed(seed),
            **options,
        ).to(dtype)
        data = SearchText(
            corpus,
            batch_size=settings.batch_size,
            bptt=settings.bptt,
            rates=RATES,
            model=supernet.model,
            device=torch.device("cpu"),
            seed=seed,
            processes=processes,
        )
        return Reading(supernet, data, slowness_weight=settings.w_slowness)

    return make


@pytest.fixture
def search(reading):
    """Make a small search."""

    def make(*, order=2, settings=SETTINGS, after_step=None, **options):
        return Search(
            reading(settings=settings, **options),
            settings,
            order=order,
            alpha_betas=(0.9, 0.999),
            clips_ahead=True,
            after_step=after_step,
        )

    return make
