"""A trial's two texts as a recurrent cell and its vocabulary, checked and typed.

The format is that of google-research's ``enas_lm``, one row; see `darts_genotype.enas_form`. ``input_sizes`` and
``output_sizes`` are the words of the vocabulary, and ``num_layers`` the cells that stand one above the other.
"""

from dataclasses import dataclass

from darts_genotype import enas_form
from darts_genotype.recurrent import RecurrentGenotype
from enas_trainer.architecture import cells, fields, sizes
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.architecture.search_for import RECURRENT

MIN_WORDS = 3
"""Of a vocabulary: a word, what ends a line, and what stands for all other words."""

MAX_LAYERS = 64
"""Most cells, one above the other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecurrentNetwork:
    """A cell, and the size of the language model that it stands in."""

    genotype: RecurrentGenotype
    """The cell; the output is the mean of all its nodes."""
    num_layers: int
    """Cells, one above the other."""
    vocabulary_size: int
    """Words."""

    def check_data(self, vocabulary_size: int) -> None:
        """Compare the vocabulary with a text's.

        Raises:
            InvalidNetwork: it has another number of words.
        """
        if vocabulary_size != self.vocabulary_size:
            allowed = f"the text has a vocabulary of {vocabulary_size} words; --max-vocabulary keeps the most frequent"
            raise InvalidNetwork("nn_config.input_sizes", [self.vocabulary_size], allowed)


def read(architecture: str, nn_config: str) -> RecurrentNetwork:
    """Read both texts of a trial.

    Raises:
        InvalidNetwork: what is wrong, and in which node or under which name.
    """
    values = cells.read_nn_config(nn_config, RECURRENT)
    num_layers = fields.integer(values["num_layers"], "nn_config.num_layers")
    if num_layers > MAX_LAYERS:
        raise InvalidNetwork("nn_config.num_layers", num_layers, f"it must be a whole number from 1 to {MAX_LAYERS}")
    num_nodes = cells.num_nodes(values)
    rows = fields.parse(architecture, "architecture")
    with cells.of_a_trial():
        functions = enas_form.read_operations(values["embedding"], RECURRENT)
        genotype = enas_form.read_recurrent(rows, functions, num_nodes)
    words = {name: sizes.listed(values[name], f"nn_config.{name}") for name in ("input_sizes", "output_sizes")}
    for name, found in words.items():
        if len(found) != 1 or found[0] < MIN_WORDS:
            allowed = f"it must be one number, the words of the vocabulary, at least {MIN_WORDS}"
            raise InvalidNetwork(f"nn_config.{name}", list(found), allowed)
    if words["input_sizes"] != words["output_sizes"]:
        allowed = f"it must be that of input_sizes, {list(words['input_sizes'])}: embedding and decoder are one matrix"
        raise InvalidNetwork("nn_config.output_sizes", list(words["output_sizes"]), allowed)
    return RecurrentNetwork(genotype=genotype, num_layers=num_layers, vocabulary_size=words["input_sizes"][0])
