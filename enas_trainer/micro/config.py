"""A trial's two texts as the cells of a network of pictures, checked and typed.

The format is that of melodyguan/enas with commas: a row for the normal cell and one for the reduction cell; see
`darts_genotype.enas_form`. ``num_layers`` counts all cells of the trial's network.
"""

from dataclasses import dataclass

from darts_genotype import enas_form
from darts_genotype.genotype import Genotype
from enas_trainer.architecture import cells, fields, sizes
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.architecture.search_for import MICRO
from katib_suggestion.parsing.assignment import JSON

MIN_LAYERS, MAX_LAYERS = 3, 1_000
"""Of fewer cells not two can be reduction cells, at 1/3 and 2/3 of the depth and never first."""

AUXILIARY_WEIGHT = 0.4
"""Of the second classifier's loss, as published."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CellOptions:
    """How large the network of the cells is, and how it is trained: what a trial's command says of it."""

    init_channels: int = 20
    """Channels of a node in the first cell; each reduction cell doubles them. The default is the published search's."""
    num_layers: int | None = None
    """Cells of the network; None for as many as ``nn_config`` says."""
    auxiliary_weight: float | None = None
    """Of the second classifier's loss, 0 for none; None for `AUXILIARY_WEIGHT`, where the images are large enough."""
    drop_path: float = 0.0
    """Probability of an edge to be dropped, to which it rises from 0 over the training."""


DEFAULT_OPTIONS = CellOptions()


@dataclass(frozen=True, kw_only=True, slots=True)
class CellNetwork:
    """Cells, and the sizes of the network that they are stacked into."""

    genotype: Genotype
    """Both cells."""
    num_layers: int
    """Cells of the network."""
    input_sizes: tuple[int, int, int]
    """Height, width and channels of an image."""
    output_sizes: tuple[int, ...]
    """The last one is the number of classes."""
    options: CellOptions
    """What the trial's command says."""

    @property
    def num_classes(self) -> int:
        """Outputs of the network."""
        return self.output_sizes[-1]

    def check_data(self, image_shape: tuple[int, int, int], num_classes: int) -> None:
        """Compare the sizes with a data set's; see `enas_trainer.architecture.sizes.check_images`.

        Raises:
            InvalidNetwork: the images have other sizes, or more classes than the network has outputs.
        """
        sizes.check_images(self.input_sizes, self.output_sizes, image_shape, num_classes)


def read(architecture: str, nn_config: str, options: CellOptions = DEFAULT_OPTIONS) -> CellNetwork:
    """Read both texts of a trial.

    Args:
        architecture: two rows, as JSON.
        nn_config: sizes and embedding, as JSON in Katib's single quotes or in double ones.
        options: of the trial's command.

    Raises:
        InvalidNetwork: what is wrong, and in which row or under which name.
    """
    values = cells.read_nn_config(nn_config, MICRO)
    num_layers = fields.integer(values["num_layers"], "nn_config.num_layers")
    _check_depth(num_layers, "nn_config.num_layers")
    if options.num_layers is not None:
        num_layers = options.num_layers
        _check_depth(num_layers, "--num-layers")
    num_nodes = cells.num_nodes(values)
    rows: JSON = fields.parse(architecture, "architecture")
    with cells.of_a_trial():
        operations = enas_form.read_operations(values["embedding"], MICRO)
        genotype = enas_form.read_cells(rows, operations, num_nodes)
    return CellNetwork(
        genotype=genotype,
        num_layers=num_layers,
        input_sizes=sizes.of_image(values["input_sizes"]),
        output_sizes=sizes.listed(values["output_sizes"], "nn_config.output_sizes"),
        options=options,
    )


def _check_depth(num_layers: int, where: str) -> None:
    if not MIN_LAYERS <= num_layers <= MAX_LAYERS:
        allowed = f"two of the cells are reduction cells: it must be {MIN_LAYERS} to {MAX_LAYERS}"
        raise InvalidNetwork(where, num_layers, allowed)
