"""Pointwise convolutions, each with its batch norm, and their weighed sum: as pointwise convolutions alone.

Batch norm after y = V z needs the mean and the variance of y over all pixels. Both follow from the mean m and the
covariance C of z, a few numbers, so that

    s (y - mean(y)) / sqrt(var(y) + eps) = W z + b    with    mean(y) = V m,    var(y) = diag(V C V'),
                                                               W = diag(s / sqrt(var(y) + eps)) V,    b = -W m

So y need be neither written, nor read again, nor kept for the backward pass; and a sum of such terms is a convolution
that adds to what is there. The gradients are those of batch norm (1502.03167, section 3), with V z in the place of y.
With h the gradient that arrives, over n pixels:

    P = sum(h z'),    d = sum(h),    ds = (diag(P V') - d mean(y)) / sqrt(var(y) + eps),    u = s ds / (var(y) + eps)
    dV = diag(s / sqrt(var(y) + eps)) (P - d m') - diag(u) V C
    dz = W' h - K (z - m) - W' d / n    with    K = V' diag(u) V / n

Shape suffixes: b images, h height, w width, n = b * h * w pixels, s terms of the sum, e edges, k = s * e, of an edge's
convolution i inputs and o outputs, f = e * i = e * o, g groups.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cell_networks.batch_norm import BatchNorm
from darts_trainer.supernet.recomputed_norm import normed_map

_WORTH_A_PRODUCT = 32
"""Channels of an edge from which a product of its own is faster than its part in one of all edges."""


class PointwiseNorm(nn.Module):
    """A pointwise convolution of several edges, side by side as groups of channels, and its batch norm.

    Args:
        pointwise: a group for each edge, as many channels out as in, no bias.
        norm: without a scale and a shift of its own.
    """

    def __init__(self, pointwise: nn.Conv2d, norm: BatchNorm) -> None:
        super().__init__()
        assert pointwise.bias is None
        assert norm.weight is None
        assert pointwise.in_channels == pointwise.out_channels
        self.pointwise: nn.Conv2d = pointwise
        self.norm: BatchNorm = norm

    @property
    def weight_eoi(self) -> Tensor:
        """The convolution's weights, edge by edge."""
        num_edges = self.pointwise.groups
        return self.pointwise.weight.view(num_edges, -1, self.pointwise.in_channels // num_edges)


def weighed_sum(layers: Sequence[PointwiseNorm], inputs: Sequence[Tensor], scale_sf: Tensor | None) -> Tensor:
    """Compute the sum of layers, each of its own input (B, F, H, W) and times its scale; without scales, times 1."""
    inputs = [x_bfhw.contiguous(memory_format=torch.channels_last) for x_bfhw in inputs]
    # They compute in the type of their inputs, and the few numbers in that of the weights.
    with torch.autocast(inputs[0].device.type, enabled=False):
        if not layers[0].training:
            return _sum_by_statistics(layers, inputs, scale_sf)
        if few_passes_are_best_on(inputs[0].device):
            return _sum_by_moments(layers, inputs, scale_sf)
        scales = [None] * len(layers) if scale_sf is None else scale_sf.unbind()
        terms = list(map(_term, layers, inputs, scales))
        return sum(terms[1:], start=terms[0])


def few_passes_are_best_on(device: torch.device) -> bool:
    """Whether reading and writing images costs more than work on a few numbers: not where each call is a kernel."""
    return device.type == "cpu"


def _sum_by_statistics(layers: Sequence[PointwiseNorm], inputs: Sequence[Tensor], scale_sf: Tensor | None) -> Tensor:
    """Compute the sum with the running statistics in the place of the batch's."""
    weight_koi = torch.cat([layer.weight_eoi for layer in layers])
    mean_ko = torch.stack([layer.norm.get_buffer("running_mean") for layer in layers]).view(weight_koi.shape[:2])
    variance_ko = torch.stack([layer.norm.get_buffer("running_var") for layer in layers]).view(weight_koi.shape[:2])
    gain_ko = (variance_ko + layers[0].norm.eps).rsqrt()
    if scale_sf is not None:
        gain_ko = gain_ko * scale_sf.view_as(gain_ko)
    maps = _groups(gain_ko[:, :, None] * weight_koi, len(weight_koi) // len(layers))
    offsets = -(gain_ko * mean_ko).view(len(layers), -1)
    terms = list(map(_mapped, inputs, maps, offsets))
    return sum(terms[1:], start=terms[0])


def _sum_by_moments(layers: Sequence[PointwiseNorm], inputs: Sequence[Tensor], scale_sf: Tensor | None) -> Tensor:
    weight_seoi = torch.stack([layer.weight_eoi for layer in layers])
    sum_bfhw, mean_sf, variance_sf = _WeighedSum.apply(layers[0].norm.eps, weight_seoi, scale_sf, *inputs)
    count = sum_bfhw.numel() // sum_bfhw.shape[1]
    for layer, mean_f, variance_f in zip(layers, mean_sf, variance_sf, strict=True):
        if layer.norm.track_running_stats:
            layer.norm.move_statistics(mean_f, variance_f, count)
    return sum_bfhw  # type: ignore[no-any-return]


def _term(layer: PointwiseNorm, x_bfhw: Tensor, scale_f: Tensor | None) -> Tensor:
    norm = layer.norm
    images_bfhw, mean_f, inverse_f = normed_map(x_bfhw, layer.weight_eoi, scale_f, norm.eps)
    if norm.track_running_stats:
        variance_f = (inverse_f**-2 - norm.eps).clamp_min(0)
        norm.move_statistics(mean_f, variance_f, images_bfhw.numel() // images_bfhw.shape[1])
    return images_bfhw


class _WeighedSum(torch.autograd.Function):
    """In training; returns means and biased variances, too."""

    @staticmethod
    def forward(
        ctx: Any, eps: float, weight_seoi: Tensor, scale_sf: Tensor | None, *inputs: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        num_terms, num_edges, channels, _ = weight_seoi.shape
        pixels = [_pixels(z_bfhw) for z_bfhw in inputs]
        weight_koi = weight_seoi.flatten(end_dim=1)
        mean_ki = torch.cat([_sum_of_pixels(z_bfhw).view(num_edges, channels) for z_bfhw in inputs]).div_(
            len(pixels[0])
        )
        covariance_kii = _products(pixels, pixels, weight_seoi.shape).div_(len(pixels[0]))
        covariance_kii -= mean_ki[:, :, None] * mean_ki[:, None]
        bent_koi = torch.bmm(weight_koi, covariance_kii)
        variance_ko = (bent_koi * weight_koi).sum(dim=-1).clamp_min_(0)
        mean_ko = torch.bmm(weight_koi, mean_ki[:, :, None])[:, :, 0]
        inverse_ko = (variance_ko + eps).rsqrt_()
        gain_ko = inverse_ko if scale_sf is None else inverse_ko * scale_sf.view_as(inverse_ko)
        map_sgoi = _groups(gain_ko[:, :, None] * weight_koi, num_edges)
        offset_f = (gain_ko * mean_ko).view(num_terms, -1).sum(dim=0).neg_()
        sum_bfhw = _mapped(inputs[0], map_sgoi[0], offset_f)
        for z_bfhw, map_goi in zip(inputs[1:], map_sgoi[1:], strict=True):
            _add_mapped(sum_bfhw, z_bfhw, map_goi)
        ctx.save_for_backward(weight_koi, mean_ki, bent_koi, mean_ko, inverse_ko, gain_ko, map_sgoi, *inputs)
        mean_sf, variance_sf = mean_ko.view(num_terms, -1), variance_ko.view(num_terms, -1)
        ctx.mark_non_differentiable(mean_sf, variance_sf)
        return sum_bfhw, mean_sf, variance_sf

    @staticmethod
    def backward(ctx: Any, gradient_bfhw: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        weight_koi, mean_ki, bent_koi, mean_ko, inverse_ko, gain_ko, map_sgoi, *inputs = ctx.saved_tensors
        pixels = [_pixels(z_bfhw) for z_bfhw in inputs]
        num_terms, (_, channels, _) = len(inputs), weight_koi.shape
        shape = num_terms, len(weight_koi) // num_terms, channels, channels
        gradient_bfhw = gradient_bfhw.contiguous(memory_format=torch.channels_last)
        h_nf = _pixels(gradient_bfhw)
        sum_ko = _sum_of_pixels(gradient_bfhw).view(-1, channels).repeat(num_terms, 1)
        product_koi = _products([h_nf] * num_terms, pixels, shape)
        scale_gradient_ko = inverse_ko * ((product_koi * weight_koi).sum(dim=-1) - sum_ko * mean_ko)
        pull_ko = gain_ko * inverse_ko * scale_gradient_ko
        _, of_weight, of_scale, *of_input = ctx.needs_input_grad
        weight_gradient = None
        if of_weight:
            product_koi -= sum_ko[:, :, None] * mean_ki[:, None]
            weight_gradient = product_koi.mul_(gain_ko[:, :, None]).sub_(pull_ko[:, :, None] * bent_koi).view(shape)
        z_gradients: list[Tensor | None] = [None] * num_terms
        if any(of_input):
            pull_kii = torch.bmm((weight_koi * pull_ko[:, :, None]).transpose(1, 2), weight_koi).div_(-len(h_nf))
            gain_koi = gain_ko[:, :, None] * weight_koi
            shift_ki = torch.bmm(pull_kii, mean_ki[:, :, None])[:, :, 0] + (sum_ko[:, None] @ gain_koi)[:, 0] / len(
                h_nf
            )
            for term, (z_bfhw, map_goi, pull_gii, shift_f) in enumerate(
                zip(inputs, map_sgoi, _groups(pull_kii, shape[1]), -shift_ki.view(num_terms, -1), strict=True)
            ):
                z_gradient = _mapped(gradient_bfhw, map_goi.transpose(1, 2), shift_f)
                _add_mapped(z_gradient, z_bfhw, pull_gii)
                z_gradients[term] = z_gradient
        scale_gradient = scale_gradient_ko.view(num_terms, -1) if of_scale else None
        return None, weight_gradient, scale_gradient, *z_gradients


def _pixels(x_bfhw: Tensor) -> Tensor:
    """Channels-last images as a matrix of pixels by channels, in the same memory."""
    return x_bfhw.permute(0, 2, 3, 1).view(-1, x_bfhw.shape[1])


def _sum_of_pixels(x_bfhw: Tensor) -> Tensor:
    # In two steps, which is faster; each is added up pairwise.
    return x_bfhw.permute(0, 2, 3, 1).flatten(1, 2).sum(dim=1, dtype=_exact(x_bfhw.dtype)).sum(dim=0)


def _mapped(x_bfhw: Tensor, map_goi: Tensor, offset_f: Tensor) -> Tensor:
    """Map the channels of every pixel, group by group."""
    weight_fi11 = map_goi.to(x_bfhw.dtype).flatten(end_dim=1)[:, :, None, None]
    return functional.conv2d(x_bfhw, weight_fi11, offset_f.to(x_bfhw.dtype), groups=len(map_goi))


def _add_mapped(sum_bfhw: Tensor, x_bfhw: Tensor, map_goi: Tensor) -> None:
    """Add to each pixel of the sum the mapped channels of the other images' pixel."""
    # Group by group, which is as fast as `baddbmm_`, whose transposed view torch.compile cannot write back through.
    groups = (_pixels(images_bfhw).chunk(len(map_goi), dim=1) for images_bfhw in (sum_bfhw, x_bfhw))
    for sum_no, x_ni, map_oi in zip(*groups, map_goi.to(x_bfhw.dtype), strict=True):
        sum_no.addmm_(x_ni, map_oi.T)


def _products(left: Sequence[Tensor], right: Sequence[Tensor], shape_seoi: Sequence[int]) -> Tensor:
    """Sum over all pixels the products of an edge's channels on the left and on the right, (K, O, I)."""
    num_terms, num_edges, outputs, inputs = shape_seoi
    dtype = _exact(left[0].dtype)
    product_seoi = left[0].new_empty(num_terms, num_edges, outputs, inputs, dtype=dtype)
    for left_nf, right_nf, product_eoi in zip(left, right, product_seoi, strict=True):
        left_eon = left_nf.to(dtype).view(-1, num_edges, outputs).permute(1, 2, 0)
        torch.bmm(left_eon, right_nf.to(dtype).view(-1, num_edges, inputs).transpose(0, 1), out=product_eoi)
    return product_seoi.flatten(end_dim=1)


def _exact(dtype: torch.dtype) -> torch.dtype:
    """The type for sums over all pixels, whose differences are taken."""
    return torch.promote_types(dtype, torch.float32)


def _groups(matrix_koi: Tensor, num_edges: int) -> Tensor:
    """Return the matrices to map with, (S, G, O, I): the edges' own, or one with all of them on its diagonal.

    Where they are small, the zeros beside the diagonal take less time than many small products.
    """
    _, outputs, inputs = matrix_koi.shape
    matrix_seoi = matrix_koi.view(-1, num_edges, outputs, inputs)
    if inputs >= _WORTH_A_PRODUCT and few_passes_are_best_on(matrix_koi.device):
        return matrix_seoi
    all_seoei = matrix_koi.new_zeros(len(matrix_seoi), num_edges, outputs, num_edges, inputs)
    all_seoei.diagonal(dim1=1, dim2=3).copy_(matrix_seoi.permute(0, 2, 3, 1))
    return all_seoei.view(-1, 1, num_edges * outputs, num_edges * inputs)
