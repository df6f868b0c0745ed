"""The supernet: cells in which every edge is a mixture of all operations (arXiv 1806.09055, section 2.2, equation 2).

Shape suffixes: b images, c channels, h height, w width, e edges of a cell, o operations, k classes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cell_networks import operations
from cell_networks.layout import Layout, cell_places, edge_sources, reduction_layers, stem
from darts_genotype.genotype import NUM_INPUTS
from darts_trainer.supernet.fused_cell import FusedCell
from darts_trainer.supernet.partial_channels import edge_weights
from darts_trainer.supernet.plain_cell import PlainCell
from trial_runtime.devices.precision import autocast

_ALPHA_SCALE = 1e-3
"""Standard deviation of the first alphas: all operations are nearly equal at the start."""


class Supernet(nn.Module):
    """A stack of cells whose operations are mixed by the softmax of alphas that all cells of a kind share.

    Args:
        layout: size of the network.
        primitives: the operations that each edge chooses from, ``none`` included.
        generator: draws weights and alphas; on the CPU. The same one gives the same network in both forms.
        plain: leave the cells in their plain form, which is slow; see `darts_trainer.supernet.plain_cell`.
        checkpoint_cells: keep only the cells' outputs for the backward pass, which computes the rest again.
        precision: that the passes compute in; see `trial_runtime.devices.precision`.
        partial_channels: give each edge a weight of its own, and send one in that many of its channels through the
            mixture; divides the layout's channels. None for neither; see `darts_trainer.supernet.partial_channels`.
        auxiliary_skip: add a skip connection to each mixture that no alpha weighs (DARTS-, arXiv 2009.01027, section
            3.2). It takes over what a skip connection does for the gradient whatever the edge is to become.

    Attributes:
        auxiliary_weight: of the auxiliary skips, where there are any; the paper lets it fall from 1 to 0. To be changed
            in place, on the device: a pass can be recorded as a graph.
    """

    auxiliary_weight: Tensor

    def __init__(
        self,
        layout: Layout,
        primitives: Sequence[str],
        *,
        generator: torch.Generator,
        plain: bool = False,
        checkpoint_cells: bool = False,
        precision: str = "fp32",
        partial_channels: int | None = None,
        auxiliary_skip: bool = False,
    ) -> None:
        super().__init__()
        self._checkpoint_cells = checkpoint_cells
        self._precision = precision
        self.register_buffer("auxiliary_weight", torch.ones(()), persistent=False)
        self._auxiliary = (operations.AUXILIARY_SKIP,) if auxiliary_skip else ()
        self._operations = (*primitives, *self._auxiliary)
        self._primitives = tuple(primitives)
        self._sources = edge_sources(layout.num_nodes)
        self.stem = stem(layout)
        places = list(cell_places(layout))
        self.cells = nn.ModuleList(
            PlainCell(self._operations, layout.num_nodes, place, k=partial_channels or 1) for place in places
        )
        self.classifier = nn.Linear(places[-1].output_channels, layout.num_classes)
        operations.initialise(self, generator)
        num_edges = sum(len(sources) for sources in self._sources)
        kinds = ["normal", "reduce"] if reduction_layers(layout.num_layers) else ["normal"]
        self.alphas_by_kind = nn.ParameterDict(
            {kind: _ALPHA_SCALE * torch.randn(num_edges, len(primitives), generator=generator) for kind in kinds}
        )
        self.betas_by_kind = nn.ParameterDict()
        if partial_channels is not None:
            for kind in kinds:
                self.betas_by_kind[kind] = _ALPHA_SCALE * torch.randn(num_edges, generator=generator)
        if not plain:
            self.fuse()

    def compile_cells(self, backend: str = "inductor") -> None:
        """Let torch.compile translate each cell when it first runs: the first steps take minutes, later ones less."""
        # A cell is translated anew for each set of gradients that a pass needs, and for evaluation.
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 8 * len(self.cells))
        for cell in self.cells:
            cell.compile(backend=backend, dynamic=False)

    def fuse(self) -> None:
        """Bring the cells from their plain form to the fast one; all weights and statistics are kept."""
        plain = [cell for cell in self.cells if isinstance(cell, PlainCell)]
        assert len(plain) == len(self.cells), "the cells are fused already"
        self.cells = nn.ModuleList(FusedCell(cell, self._operations) for cell in plain)
        self.to(memory_format=torch.channels_last)

    @property
    def primitives(self) -> tuple[str, ...]:
        """The operations of each edge, in the order of the alphas' columns."""
        return self._primitives

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The nodes that each edge of a cell comes from and leads to, in the order of the alphas' rows."""
        return [(source, node) for node, sources in enumerate(self._sources, NUM_INPUTS) for source in sources]

    @property
    def alpha_normal_eo(self) -> Tensor:
        """Alphas of the normal cells; edges node by node, sources ascending."""
        alpha_eo: Tensor = self.alphas_by_kind["normal"]
        return alpha_eo

    @property
    def alpha_reduce_eo(self) -> Tensor | None:
        """Alphas of the reduction cells; None where there are none."""
        alpha_eo: Tensor | None = self.alphas_by_kind.get("reduce")
        return alpha_eo

    @property
    def _is_plain(self) -> bool:
        return isinstance(self.cells[0], PlainCell)

    def mixtures(self) -> tuple[Tensor, Tensor | None]:
        """Weights of the primitives on each edge of the normal and of the reduction cells: softmax of the alphas.

        Where edges have weights of their own, each is multiplied by that of its edge.
        """

        def mixture(kind: str) -> Tensor:
            weight_eo: Tensor = self.alphas_by_kind[kind].softmax(dim=-1)
            weight_e = self._edge_weights(kind)
            return weight_eo if weight_e is None else weight_e[:, None] * weight_eo

        return mixture("normal"), mixture("reduce") if "reduce" in self.alphas_by_kind else None

    def alphas(self) -> list[nn.Parameter]:
        """The parameters that say which operation counts how much, and which edge where edges have weights."""
        return [*self.alphas_by_kind.parameters(), *self.betas_by_kind.parameters()]

    def weights(self) -> list[nn.Parameter]:
        """All other parameters: those of the operations, the stem and the classifier."""
        alphas = {id(alpha) for alpha in self.alphas()}
        return [parameter for parameter in self.parameters() if id(parameter) not in alphas]

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Compute the logits, shape (B, K), of images."""
        with autocast(self._precision, x_bchw.device):
            logits_bk = self._logits(x_bchw)
        return logits_bk if self._precision == "fp32" else logits_bk.float()

    def _logits(self, x_bchw: Tensor) -> Tensor:
        weights = {kind: (self._operation_weights(kind), self._edge_weights(kind)) for kind in self.alphas_by_kind}
        if not self._is_plain:
            x_bchw = x_bchw.contiguous(memory_format=torch.channels_last)
        before_previous_bchw = previous_bchw = self.stem(x_bchw)
        for cell in self.cells:
            weights_of_kind = weights["reduce" if cell.is_reduction else "normal"]
            before_previous_bchw, previous_bchw = (
                previous_bchw,
                self._run(cell, before_previous_bchw, previous_bchw, *weights_of_kind),
            )
        return self.classifier(previous_bchw.mean(dim=(2, 3)))  # type: ignore[no-any-return]

    def _operation_weights(self, kind: str) -> Tensor:
        """Weights of all operations on each edge of a kind of cell."""
        weight_eo: Tensor = self.alphas_by_kind[kind].softmax(dim=-1)
        if not self._auxiliary:
            return weight_eo
        return torch.cat([weight_eo, self.auxiliary_weight.expand(len(weight_eo), 1)], dim=1)

    def _edge_weights(self, kind: str) -> Tensor | None:
        """Weights of the edges of a kind of cell; None where they have none."""
        beta_e = self.betas_by_kind.get(kind)
        return None if beta_e is None else edge_weights(beta_e, self._sources)

    def _run(self, cell: nn.Module, *inputs: Tensor | None) -> Tensor:
        if not self._checkpoint_cells or not torch.is_grad_enabled():
            return cell(*inputs)  # type: ignore[no-any-return]
        # Computed a second time, a batch must not count a second time.
        output_bchw: Tensor = checkpoint(
            cell,
            *inputs,
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=lambda: (nullcontext(), frozen_statistics(cell)),
        )
        return output_bchw


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Within, a network in training mode normalises by its batch but leaves every running statistic alone.

    For passes at displaced weights, whose statistics describe no network that anyone will use.
    """
    norms = [
        module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and module.track_running_stats
    ]
    try:
        for norm in norms:
            norm.track_running_stats = False
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
