"""The weights of a network of cells as a bank holds them: by their place in the network, not by one architecture.

A node's operation has an entry of its own, by the cell of the network, the node, its source, and the operation. What
reads the output of a cell, a concatenation, has an entry for each node that it reads: what has been learned about a
node is used again where other nodes stand beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from torch import nn

from cell_networks import operations
from cell_networks.images import Cell, Network
from cell_networks.layout import CellPlace, Layout, cell_places
from darts_genotype.genotype import NUM_INPUTS, Genotype
from darts_genotype.genotype import Cell as CellOfGenotype
from enas_trainer.sharing.shared_weights import Part, numbered
from enas_trainer.sharing.weight_bank import Weights


@dataclass(frozen=True, kw_only=True, slots=True)
class _Output:
    """Maps that are read: nodes of a cell side by side, or those of the stem."""

    nodes: tuple[int, ...]
    """None for the stem."""
    channels: int
    """Of each node, or of the stem."""
    size: tuple[int, int]
    """Height and width."""

    @property
    def names(self) -> list[str]:
        """Of what lies side by side."""
        return [f"node-{node}" for node in self.nodes] or ["stem"]

    @property
    def shape(self) -> str:
        return _shape(self.channels, self.size)


def parts(network: Network, genotype: Genotype, layout: Layout, image_size: tuple[int, int]) -> Iterator[Part]:
    """Yield all weights of a network.

    Args:
        network: of the genotype and the layout.
        genotype: its cells.
        layout: its size.
        image_size: (H, W).
    """
    output = _Output(nodes=(), channels=layout.stem_channels, size=image_size)
    yield _whole(network.stem, f"stem.to-{output.shape}")
    before = output
    widths = {"num_normal": len(genotype.normal_concat), "num_reduce": len(genotype.reduce_concat)}
    for number, (cell, place) in enumerate(zip(network.cells, cell_places(layout, **widths), strict=True), start=1):
        assert isinstance(cell, Cell)
        name = f"cell-{number:03d}"
        for index, (source, module) in enumerate(zip((before, output), cell.inputs, strict=True)):
            yield _reading(module, f"{name}.input-{index}", source)
        nodes, concat = genotype.normal, genotype.normal_concat
        if place.is_reduction:
            nodes, concat = genotype.reduce, genotype.reduce_concat
        yield from _nodes(name, cell, place, nodes, output.size)
        size = tuple((side + 1) // 2 for side in output.size) if place.is_reduction else output.size
        before, output = output, _Output(nodes=concat, channels=place.channels, size=(size[0], size[1]))
        if network.auxiliary_head is not None and number == network.auxiliary_layer + 1:
            yield _whole(network.auxiliary_head, f"auxiliary.of-nodes-{numbered(concat)}.of-{output.shape}")
    yield _reading(network.classifier, "head", output)


def _nodes(name: str, cell: Cell, place: CellPlace, nodes: CellOfGenotype, size: tuple[int, int]) -> Iterator[Part]:
    """Yield what a cell has of weights beside its inputs; maps of a size come in."""
    halved = ((size[0] + 1) // 2, (size[1] + 1) // 2) if place.is_reduction else size
    for number, (edges, modules) in enumerate(zip(nodes, cell.nodes, strict=True), start=NUM_INPUTS):
        assert isinstance(modules, nn.ModuleList)
        seen: set[str] = set()
        for edge, module in zip(edges, modules, strict=True):
            shape = _shape(place.channels, size if edge.source < NUM_INPUTS else halved)
            entry = f"{name}.node-{number}.of-{edge.source}.{edge.operation}.of-{shape}"
            if module.state_dict():
                yield _whole(module, f"{entry}.second" if entry in seen else entry)
            seen.add(entry)
    for node, module in cell.concatenated_inputs.items():
        yield _whole(module, f"{name}.output.of-{node}.of-{_shape(place.channels, size)}")


def _whole(module: nn.Module, entry: str) -> Part:
    return Part(initialise=partial(operations.initialise, module), entries={entry: module.state_dict()})


def _reading(module: nn.Module, place: str, source: _Output) -> Part:
    """What reads maps that lie side by side: its matrices fall into what they make of each, the rest is of all."""
    state = module.state_dict()
    matrices = {name: weights for name, weights in state.items() if weights.dim() > 1}
    entries: dict[str, Weights] = {}
    for index, name in enumerate(source.names):
        columns = slice(index * source.channels, (index + 1) * source.channels)
        its_own = {one: weights[:, columns] for one, weights in matrices.items()}
        entries[f"{place}.of-{name}.of-{source.shape}"] = its_own
    rest = {name: weights for name, weights in state.items() if name not in matrices}
    together = f"nodes-{numbered(source.nodes)}" if source.nodes else "stem-alone"
    entries[f"{place}.beside-{together}.of-{source.shape}"] = rest
    return Part(initialise=partial(operations.initialise, module), entries=entries)


def _shape(channels: int, size: tuple[int, int]) -> str:
    return f"{channels}x{size[0]}x{size[1]}"
