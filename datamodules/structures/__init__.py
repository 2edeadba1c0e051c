"""Structures: what an annotation becomes before a method sees it.

Annotations (keypoints, class indices, pictures) travel compactly from the workers; the maps are drawn on the device. This
package itself imports nothing heavy, because configs ask it for the number of channels before anything is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamodules.bad_input import BadInput, nearest

if TYPE_CHECKING:
    from datamodules.structures.structure import Structure

FIXED_CHANNELS = {"pose_heatmaps": 18, "pose_map": 20, "edges": 1, "part_edges": 15, "image": 3}
"""Channels of the structures whose number of channels does not depend on the dataset."""


def channels(structure: str, classes: int = 0) -> int:
    """The number of channels S of a structure's maps (B, S, H, W).

    Args:
        structure: `pose_heatmaps`, `pose_map`, `labels`, `edges`, `part_edges` or `image`.
        classes: the number of classes of a label map; only `labels` asks for it.

    Raises:
        BadInput: there is no such structure, or labels without classes.
    """
    if structure == "labels":
        if classes < 1:
            raise BadInput("structure=labels needs the number of classes: set data.classes, such as 151 for ADE20k")
        return classes
    if structure not in FIXED_CHANNELS:
        known = [*FIXED_CHANNELS, "labels"]
        raise BadInput(f"there is no structure {structure!r}, only {', '.join(known)}.{nearest(structure, known)}")
    return FIXED_CHANNELS[structure]


def build(
    structure: str, *, classes: int = 0, sigma: float = 6.0, edge_low: float = 0.1, edge_high: float = 0.2
) -> Structure:
    """The structure of that name, which draws its maps from annotations.

    Raises:
        BadInput: see `channels`.
    """
    channels(structure, classes)
    if structure == "pose_heatmaps":
        from datamodules.structures.pose import PoseHeatmaps

        return PoseHeatmaps(sigma)
    if structure == "pose_map":
        from datamodules.structures.pose_map import PoseMap

        return PoseMap()
    if structure == "labels":
        from datamodules.structures.labels import Labels

        return Labels(classes)
    if structure == "edges":
        from datamodules.structures.edges import Edges

        return Edges(edge_low, edge_high)
    if structure == "part_edges":
        from datamodules.structures.part_edges import PartEdges

        return PartEdges()
    from datamodules.structures.picture import Picture

    return Picture()
