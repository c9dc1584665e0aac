"""Ensembles of decision trees as one node of ONNX, in double precision.

The thresholds and the values of the leaves are those of scikit-learn to the last bit.
The node that converters usually write has them in single precision, and a value
beside a threshold then takes the other branch.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from src.utils.errors import ModelError

ML_DOMAIN = "ai.onnx.ml"
SUM = 1  # how the node adds up its trees
BRANCH_LEQ = 0  # left where the feature is not above the threshold


class Tree(NamedTuple):
    """A decision tree; all arrays are by node, and node 0 is the root.

    Attributes:
        target: Which output its leaves add to.
        is_leaf: Whether a node is a leaf.
        feature: Which feature is looked at.
        threshold: Up to which value the way is left.
        left: The node to the left.
        right: The node to the right.
        missing_left: Whether a missing value goes left.
        value: What a leaf adds.
    """

    target: int
    is_leaf: NDArray[np.bool_]
    feature: NDArray[Any]
    threshold: NDArray[np.float64]
    left: NDArray[Any]
    right: NDArray[Any]
    missing_left: NDArray[Any]
    value: NDArray[np.float64]


@dataclass
class _Nodes:
    """The attributes of the node of ONNX, tree after tree."""

    tree_roots: list[int] = field(default_factory=list)
    nodes_featureids: list[int] = field(default_factory=list)
    nodes_splits: list[float] = field(default_factory=list)
    nodes_missing_value_tracks_true: list[int] = field(default_factory=list)
    nodes_truenodeids: list[int] = field(default_factory=list)
    nodes_trueleafs: list[int] = field(default_factory=list)
    nodes_falsenodeids: list[int] = field(default_factory=list)
    nodes_falseleafs: list[int] = field(default_factory=list)
    leaf_targetids: list[int] = field(default_factory=list)
    leaf_weights: list[float] = field(default_factory=list)

    def add(self, tree: Tree) -> None:
        """Add a tree."""
        first = len(self.nodes_featureids)
        self.tree_roots.append(first)
        if tree.is_leaf[0]:  # the root must be a branch: both ways lead to one value
            self._branch(0, 0.0, False, self._leaf(tree, 0), self._leaf(tree, 0))
            return
        inner = np.flatnonzero(~tree.is_leaf)
        place = np.full(len(tree.is_leaf), -1)
        place[inner] = first + np.arange(len(inner))
        for node in inner.tolist():
            left, right = (
                (
                    self._leaf(tree, child)
                    if tree.is_leaf[child]
                    else (int(place[child]), 0)
                )
                for child in (int(tree.left[node]), int(tree.right[node]))
            )
            self._branch(
                int(tree.feature[node]),
                float(tree.threshold[node]),
                bool(tree.missing_left[node]),
                left,
                right,
            )

    def _leaf(self, tree: Tree, node: int) -> tuple[int, int]:
        """Add a leaf; return where it is, and that it is one."""
        self.leaf_targetids.append(tree.target)
        self.leaf_weights.append(float(tree.value[node]))
        return len(self.leaf_weights) - 1, 1

    def _branch(
        self,
        feature: int,
        threshold: float,
        missing_left: bool,
        left: tuple[int, int],
        right: tuple[int, int],
    ) -> None:
        """Add a branch; ``left`` and ``right`` say where they lead."""
        self.nodes_featureids.append(feature)
        self.nodes_splits.append(threshold)
        self.nodes_missing_value_tracks_true.append(int(missing_left))
        self.nodes_truenodeids.append(left[0])
        self.nodes_trueleafs.append(left[1])
        self.nodes_falsenodeids.append(right[0])
        self.nodes_falseleafs.append(right[1])


def tree_ensemble(
    trees: Iterable[Tree], targets: int, given: str, found: str
) -> onnx.NodeProto:
    """Return the node that adds up trees.

    Args:
        trees: At least one.
        targets: How many outputs there are.
        given: The name of the features, double (rows, features).
        found: The name of the sums, double (rows, targets).
    """
    nodes = _Nodes()
    for tree in trees:
        nodes.add(tree)
    modes = np.full(len(nodes.nodes_featureids), BRANCH_LEQ, np.uint8)
    attributes: dict[str, Any] = vars(nodes) | {
        "nodes_splits": _tensor(nodes.nodes_splits),
        "leaf_weights": _tensor(nodes.leaf_weights),
        "nodes_modes": numpy_helper.from_array(modes),
    }
    return helper.make_node(
        "TreeEnsemble",
        [given],
        [found],
        domain=ML_DOMAIN,
        aggregate_function=SUM,
        n_targets=targets,
        **attributes,
    )


def forest_trees(forest: Any) -> tuple[list[Tree], int]:
    """Return the trees of a random forest of scikit-learn, and the number of targets.

    A leaf of the node adds to one target. Of two classes the second is enough; of more,
    each tree is there once for each class; a regression has one target.
    """
    trees = [estimator.tree_ for estimator in forest.estimators_]
    classes = len(getattr(forest, "classes_", (None,)))
    columns = [1] if classes == 2 else list(range(classes))
    return [
        Tree(
            target,
            tree.children_left < 0,
            tree.feature,
            tree.threshold,
            tree.children_left,
            tree.children_right,
            tree.missing_go_to_left,
            tree.value[:, 0, column],
        )
        for target, column in enumerate(columns)
        for tree in trees
    ], len(columns)


def boosting_trees(boosting: Any) -> tuple[list[Tree], NDArray[np.float64]]:
    """Return the trees of a histogram gradient boosting, and where their sums begin.

    Raises:
        ModelError: If it splits by categories, which no model of this project does.
    """
    iterations: Sequence[Sequence[Any]] = boosting._predictors
    trees = list(_boosting_trees(iterations))
    baseline = np.asarray(boosting._baseline_prediction, dtype=np.float64).ravel()
    return trees, baseline


def _boosting_trees(iterations: Sequence[Sequence[Any]]) -> Iterator[Tree]:
    """Yield the trees in the order in which scikit-learn adds them up."""
    for predictors in iterations:
        for target, predictor in enumerate(predictors):
            nodes = predictor.nodes
            if nodes["is_categorical"].any():
                raise ModelError("its trees split by categories")
            yield Tree(
                target,
                nodes["is_leaf"].astype(bool),
                nodes["feature_idx"],
                nodes["num_threshold"],
                nodes["left"],
                nodes["right"],
                nodes["missing_go_to_left"],
                nodes["value"],
            )


def _tensor(values: Sequence[float]) -> onnx.TensorProto:
    """Return numbers as a tensor of doubles."""
    return numpy_helper.from_array(np.array(values, dtype=np.float64))
