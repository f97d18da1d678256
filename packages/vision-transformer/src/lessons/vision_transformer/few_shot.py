"""Linear few-shot accuracy: a closed-form classifier on frozen representations (§4.1).

Shapes: N examples, D width, K classes.
"""

import torch
from torch import Tensor


def few_shot_linear(
    features_ND: Tensor, labels_N: Tensor, num_classes: int, ridge: float = 1.0
) -> tuple[Tensor, Tensor]:
    r"""Return weights (K, D) and biases (K,) of least squares onto $\{-1, 1\}^K$ targets.

    $\min_W \lVert XW + b - Y\rVert^2 + \lambda\lVert W\rVert^2$, with Y 1 at the class and −1
    elsewhere; the bias is free. Computed in float64.

    Args:
        features_ND: representations, such as ``model.forward_features(images)[:, 0]``.
        labels_N: their classes.
        num_classes: K.
        ridge: λ; the paper gives none.

    Raises:
        ValueError: shapes that do not fit, labels outside 0 … K − 1, a class without an example, a
            λ that is not positive, or features that are not finite.

    Source: §4.1, "Metrics".
    """
    if features_ND.dim() != 2 or labels_N.shape != features_ND.shape[:1]:
        shapes = f"{tuple(features_ND.shape)} and {tuple(labels_N.shape)}"
        raise ValueError(f"features must be (N, D) and labels (N,), got {shapes}")
    if not ridge > 0:
        raise ValueError(f"ridge must be positive, got {ridge}")
    if labels_N.numel() == 0 or labels_N.min() < 0 or labels_N.max() >= num_classes:
        raise ValueError(f"labels must be in 0 … {num_classes - 1}, and at least one")
    counts = torch.bincount(labels_N, minlength=num_classes)
    if (counts == 0).any():
        missing = counts.eq(0).nonzero().flatten().tolist()
        raise ValueError(f"each class needs an example, there is none of {missing}")
    if not features_ND.isfinite().all():
        raise ValueError("features must be finite")
    x_ND = features_ND.detach().double()
    y_NK = torch.nn.functional.one_hot(labels_N, num_classes).double() * 2 - 1
    x_mean, y_mean = x_ND.mean(0), y_NK.mean(0)
    x_ND = x_ND - x_mean
    gram_DD = x_ND.T @ x_ND
    gram_DD.diagonal().add_(ridge)
    weights_DK = torch.linalg.solve(gram_DD, x_ND.T @ (y_NK - y_mean))
    bias_K = y_mean - x_mean @ weights_DK
    return weights_DK.T.to(features_ND), bias_K.to(features_ND)
