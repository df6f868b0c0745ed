"""A cell of the supernet, computed node by node: all edges that leave a node at once.

In the plain form each edge is on its own, and most of its work is done on each of the others, too. Here the edges that
leave one node share what they can:

- the ReLU, the pools and their batch norms, and the skip at stride 1, which have no weights of their own;
- a call for each kind of convolution: the edges stand side by side as groups of channels;
- dilated convolutions work on images of just the pixels that their taps fall on (`darts_trainer.supernet.depthwise`);
- the weight of an operation is the scale of its last batch norm, which has none of its own: no pass to multiply;
- ``none`` is left out: it would add zeros;
- on a GPU, what has nothing to share runs side by side (`trial_runtime.devices.step_graph`).

Shape suffixes: b images, c channels of a node, t targets (the nodes that the edges lead to), f = t * c, h height, w
width, e edges of a cell, o operations, s operations that all edges share.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cell_networks.batch_norm import BatchNorm
from cell_networks.operations import FactorizedReduce, Pooling
from darts_genotype.genotype import NUM_INPUTS
from darts_genotype.primitives import NONE
from darts_trainer.supernet.depthwise import DepthwiseConvolution, apart, together
from darts_trainer.supernet.partial_channels import PartialEdge, bypass, join, split
from darts_trainer.supernet.plain_cell import MixedOperation, PlainCell
from darts_trainer.supernet.pointwise_norm import PointwiseNorm, few_passes_are_best_on, weighed_sum
from trial_runtime.devices.step_graph import side_by_side


class FusedCell(nn.Module):
    """A cell with the weights of a plain one, which it takes over.

    Args:
        plain: the cell in its plain form.
        primitives: the operations that each edge chooses from.
    """

    def __init__(self, plain: PlainCell, primitives: Sequence[str]) -> None:
        super().__init__()
        self.is_reduction = plain.is_reduction
        self._k = plain.k
        self.inputs = plain.inputs
        nodes = [list(edges) for edges in plain.nodes]  # type: ignore[call-overload]
        # Of the edges in the order of the alphas, node by node, those that leave each node but the last.
        starts = [sum(map(len, nodes[:node])) for node in range(len(nodes))]
        self.fans = nn.ModuleList(
            Fan(
                [_mixed(edges[source]) for edges in nodes if source < len(edges)],
                [start + source for start, edges in zip(starts, nodes, strict=True) if source < len(edges)],
                primitives,
            )
            for source in range(NUM_INPUTS + len(nodes) - 1)
        )

    def forward(
        self, before_previous_bchw: Tensor, previous_bchw: Tensor, weight_eo: Tensor, weight_e: Tensor | None = None
    ) -> Tensor:
        """Compute the concatenation of all inner nodes; the weights are those of `PlainCell`."""
        if weight_e is not None:
            weight_eo = weight_e[:, None] * weight_eo
        states = side_by_side([partial(self.inputs[0], before_previous_bchw), partial(self.inputs[1], previous_bchw)])
        arrived: list[list[Tensor]] = [[] for _ in range(len(self.fans) + 1)]
        passed_by: list[list[Tensor]] = [[] for _ in range(len(self.fans) + 1)]
        for source, fan in enumerate(self.fans):
            assert isinstance(fan, Fan)
            if source >= NUM_INPUTS:
                states.append(self._node(arrived[source], passed_by[source]))
            targets = range(-fan.num_edges, 0)
            part_bphw = states[source]
            if self._k > 1:
                assert weight_e is not None, "channels that pass by need weights of the edges"
                part_bphw, rest_brhw = split(states[source], self._k)
                rest_brhw = bypass(rest_brhw, 2 if self.is_reduction and source < NUM_INPUTS else 1)
                for target, weight in zip(targets, weight_e.index_select(0, fan.edges), strict=True):
                    passed_by[target].append(weight * rest_brhw)
            for target, term in zip(targets, fan(part_bphw, weight_eo.index_select(0, fan.edges)), strict=True):
                arrived[target].append(term)
        return torch.cat([*states[NUM_INPUTS:], self._node(arrived[-1], passed_by[-1])], dim=1)

    def _node(self, arrived: Sequence[Tensor], passed_by: Sequence[Tensor]) -> Tensor:
        return join(_total(arrived), _total(passed_by), self._k) if passed_by else _total(arrived)


def _mixed(edge: Any) -> Any:
    return edge.mixed if isinstance(edge, PartialEdge) else edge


class Fan(nn.Module):
    """All edges that leave one node.

    Args:
        edges: (T) the edges in their plain form, whose weights are taken over.
        edge_places: (T) theirs in the order of the alphas.
        primitives: (O) their operations.
    """

    edges: Tensor
    shared_places: Tensor
    separable_places: Tensor
    dilated_places: Tensor

    def __init__(self, edges: Sequence[MixedOperation], edge_places: Sequence[int], primitives: Sequence[str]) -> None:
        super().__init__()
        assert set(primitives) > {NONE} or NONE not in primitives, "an edge of nothing but none"
        self.num_edges = len(edges)
        self._places = {primitive: place for place, primitive in enumerate(primitives)}
        self.pools = nn.ModuleDict()
        self.skips = nn.ModuleDict()
        self.separable = nn.ModuleDict()
        self.dilated = nn.ModuleDict()
        self.reduced = nn.ModuleDict()
        pool_norms = []
        for primitive, place in self._places.items():
            plain: list[Any] = [edge.operations[place] for edge in edges]
            if isinstance(plain[0], Pooling):
                self.pools[primitive] = plain[0].pool
                pool_norms.append(plain[0].norm)
            elif isinstance(plain[0], nn.Identity):
                self.skips[primitive] = plain[0]
            elif isinstance(plain[0], FactorizedReduce):
                self.reduced[primitive] = GroupedReduce(plain)
            elif primitive != NONE:
                convolutions = GroupedConvolutions(plain)
                (self.dilated if convolutions.dilation > 1 else self.separable)[primitive] = convolutions
        self.pool_norm = _joined(pool_norms) if pool_norms else None
        # As buffers: a list of places would be sent to the device anew each time, which waits for all that it does.
        self._keep("edges", edge_places)
        self._keep("shared_places", self._places_of((*self.skips, *self.pools)))
        self._keep("separable_places", self._places_of(self.separable))
        self._keep("dilated_places", self._places_of(self.dilated))

    def _keep(self, name: str, places: Sequence[int]) -> None:
        self.register_buffer(name, torch.tensor(places, dtype=torch.int64), persistent=False)

    def _places_of(self, primitives: Iterable[str]) -> list[int]:
        return [self._places[primitive] for primitive in primitives]

    def forward(self, x_bchw: Tensor, weight_to: Tensor) -> tuple[Tensor, ...]:
        """Compute what arrives at each target, given the weights of the operations on each edge."""
        branches: list[partial[Tensor]] = []
        if self.pools or self.skips:
            branches.append(partial(self._shared, x_bchw, weight_to))
        rectified_bchw = functional.relu(x_bchw)
        scale_of = weight_to.T.repeat_interleave(x_bchw.shape[1], dim=1)
        if self.separable:
            wide_bfhw = self._wide(rectified_bchw)
            for scale_sf, operations in _parts(self.separable, scale_of.index_select(0, self.separable_places)):
                branches.append(partial(_weighed, wide_bfhw, scale_sf, operations))
        if self.dilated:
            taps_bfhw, dense, is_apart = self._taps(rectified_bchw)
            for scale_sf, operations in _parts(self.dilated, scale_of.index_select(0, self.dilated_places)):
                branches.append(partial(_weighed, taps_bfhw, scale_sf, operations, dense=dense, is_apart=is_apart))
        for primitive, reduce in self.reduced.items():
            branches.append(partial(reduce, rectified_bchw, scale_of[self._places[primitive]]))
        return _total(side_by_side(branches)).chunk(self.num_edges, dim=1)

    def _shared(self, x_bchw: Tensor, weight_to: Tensor) -> Tensor:
        """Weigh what all edges share: a pointwise convolution that leaves each channel to itself."""
        shared = [x_bchw] * len(self.skips)
        if self.pool_norm is not None:
            shared.append(self.pool_norm(torch.cat([pool(x_bchw) for pool in self.pools.values()], dim=1)))
        all_bchw = torch.cat(shared, dim=1)
        weight_ts = weight_to.index_select(1, self.shared_places)
        channels = torch.eye(x_bchw.shape[1], dtype=weight_ts.dtype, device=x_bchw.device)
        return functional.conv2d(all_bchw, torch.kron(weight_ts, channels)[:, :, None, None])

    def _taps(self, rectified_bchw: Tensor) -> tuple[Tensor, bool, bool]:
        """Images of just those pixels that the taps of a dilated filter fall on.

        Returns:
            The images, whether they hold no other pixels, and whether they are in four parts.
        """
        if next(iter(self.dilated.values())).stride == 2:
            return self._wide(rectified_bchw[:, :, ::2, ::2]), True, False
        if rectified_bchw.shape[2] % 2 == rectified_bchw.shape[3] % 2 == 0:
            return self._wide(apart(rectified_bchw)), True, True
        return self._wide(rectified_bchw), False, False

    def _wide(self, x_bchw: Tensor) -> Tensor:
        """A copy for each edge, side by side."""
        batch, channels, height, width = x_bchw.shape
        wide_bhwtc = x_bchw.permute(0, 2, 3, 1)[:, :, :, None].expand(-1, -1, -1, self.num_edges, -1)
        return wide_bhwtc.reshape(batch, height, width, self.num_edges * channels).permute(0, 3, 1, 2)


def _parts(group: nn.ModuleDict, scale_sf: Tensor) -> list[tuple[Tensor, list[Any]]]:
    """Divide operations and their scales into what is best computed at once."""
    operations = list(group.values())
    if few_passes_are_best_on(scale_sf.device):
        return [(scale_sf, operations)]
    return [(scale_sf[place, None], [operation]) for place, operation in enumerate(operations)]


def _weighed(
    images_bfhw: Tensor, scale_sf: Tensor, operations: Sequence[Any], *, dense: bool = False, is_apart: bool = False
) -> Tensor:
    """Compute the sum of operations, each times its weight on each edge."""
    features = [operation(images_bfhw, dense=dense) for operation in operations]
    sum_bfhw = weighed_sum([operation.last for operation in operations], features, scale_sf)
    return together(sum_bfhw) if is_apart else sum_bfhw


class GroupedConvolutions(nn.Module):
    """Depthwise separable convolutions of all edges.

    Args:
        plain: (T) what `operations.build` makes of them: once or twice ReLU, depthwise, pointwise, batch norm.
    """

    def __init__(self, plain: Sequence[Any]) -> None:
        super().__init__()
        stages = range(0, len(plain[0]), 4)
        self.stride, self.dilation = plain[0][1].stride[0], plain[0][1].dilation[0]
        self.depthwise = nn.ModuleList(
            _side_by_side([one[stage + 1] for one in plain], DepthwiseConvolution) for stage in stages
        )
        *earlier, self.last = (
            PointwiseNorm(_side_by_side([one[stage + 2] for one in plain]), _joined([one[stage + 3] for one in plain]))
            for stage in stages
        )
        self.earlier = nn.ModuleList(earlier)

    def forward(self, x_bfhw: Tensor, *, dense: bool) -> Tensor:
        """Compute what the last pointwise convolution takes; for ``dense`` see `DepthwiseConvolution`."""
        for depthwise, norm in zip(self.depthwise, self.earlier, strict=False):
            assert isinstance(norm, PointwiseNorm)
            x_bfhw = functional.relu(weighed_sum([norm], [depthwise(x_bfhw, dense=dense)], None), inplace=True)
        return self.depthwise[-1](x_bfhw, dense=dense)  # type: ignore[no-any-return]


class GroupedReduce(nn.Module):
    """The skips of all edges at stride 2.

    Args:
        plain: (T) each a `FactorizedReduce`.
    """

    def __init__(self, plain: Sequence[Any]) -> None:
        super().__init__()
        self._num_edges = len(plain)
        self.even = nn.Parameter(torch.cat([one.even.weight.detach() for one in plain]))
        odd = [one.odd.weight.detach() for one in plain if one.odd is not None]
        self.odd = nn.Parameter(torch.cat(odd)) if odd else None
        self.norm = _joined([one.norm for one in plain])

    def forward(self, rectified_bchw: Tensor, scale_f: Tensor) -> Tensor:
        """Halve and weigh: a convolution of the even pixels beside the odd ones, which each edge has half of."""
        channels = rectified_bchw.shape[1]
        halves: list[Tensor] = [rectified_bchw[:, :, ::2, ::2]]
        weights: list[Tensor] = [self.even]
        if self.odd is not None:
            halves.append(functional.pad(rectified_bchw, (-1, 1, -1, 1))[:, :, ::2, ::2])
            weights = [_beside_zeros(self.even, after=channels), _beside_zeros(self.odd, before=channels)]
        by_edge = [weight.view(self._num_edges, -1, *weight.shape[1:]) for weight in weights]
        weight_fc11 = torch.cat(by_edge, dim=1).flatten(end_dim=1)
        return self.norm(functional.conv2d(torch.cat(halves, dim=1), weight_fc11), scale_f)  # type: ignore[no-any-return]


def _beside_zeros(weight_fc11: Tensor, *, before: int = 0, after: int = 0) -> Tensor:
    """Weights for more input channels, of which they leave some out."""
    return functional.pad(weight_fc11, (0, 0, 0, 0, before, after))


def _side_by_side(convolutions: Sequence[Any], kind: type[nn.Conv2d] = nn.Conv2d) -> nn.Conv2d:
    """One convolution that does the work of several, each on channels of its own."""
    first, num_edges = convolutions[0], len(convolutions)
    joined = kind(
        num_edges * first.in_channels,
        num_edges * first.out_channels,
        first.kernel_size,
        first.stride,
        first.padding,
        first.dilation,
        groups=num_edges * first.groups,
        bias=False,
        device=first.weight.device,
        dtype=first.weight.dtype,
    )
    with torch.no_grad():
        joined.weight.copy_(torch.cat([one.weight for one in convolutions]))
    return joined


def _joined(norms: Sequence[Any]) -> BatchNorm:
    """One batch norm over the channels of several, side by side."""
    means_c = torch.cat([norm.running_mean for norm in norms])
    joined = BatchNorm(len(means_c), affine=False, device=means_c.device, dtype=means_c.dtype)
    variances_c = torch.cat([norm.running_var for norm in norms])
    joined.load_state_dict(
        {"running_mean": means_c, "running_var": variances_c, "num_batches_tracked": norms[0].num_batches_tracked}
    )
    return joined


def _total(terms: Sequence[Tensor]) -> Tensor:
    first, *others = terms
    return sum(others, start=first)
