"""The classes of ADEChallengeData2016 by their numbers in the label maps (Zhou et al., CVPR 2017)."""

from __future__ import annotations

CLASSES = 150
"""Numbered 1 ... 150; 0 is what nobody labelled."""

_NAMES = (
    "wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door, "
    "table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, "
    "armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, "
    "chest, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, case, pool, "
    "pillow, screen, stairway, river, bridge, bookcase, blind, coffee, toilet, flower, book, hill, bench, countertop, "
    "stove, palm, kitchen, computer, swivel, boat, bar, arcade, hovel, bus, towel, light, truck, tower, chandelier, "
    "awning, streetlight, booth, television, airplane, dirt, apparel, pole, land, bannister, escalator, ottoman, "
    "bottle, buffet, poster, stage, van, ship, fountain, conveyer, canopy, washer, plaything, swimming pool, stool, "
    "barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball, food, step, tank, trade name, microwave, "
    "pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, "
    "ashcan, fan, pier, crt, plate, monitor, bulletin board, shower, radiator, glass, clock, flag "
)

NAMES = ("unlabelled", *(name.strip() for name in _NAMES.split(",")))
"""Number -> name (the first of several words for it; some are not unique)."""

# What tells a place under the sky from a room, as those do who rebuilt the outdoor subset by label content.
OUTDOOR = (3, 14, 17, 22, 27, 30, 35, 47, 69, 61, 129, 92, 95, 114, 10, 7)
"""Sky, earth, mountain, water, sea, field, rock, sand, hill, river, lake, dirt, land, waterfall, grass, road."""
INDOOR = (6, 8, 38, 48, 66, 51, 72, 36, 11, 24, 37, 58, 71, 74, 64, 86, 119, 125, 134, 146)
"""Ceiling, bed, bathtub, sink, toilet, refrigerator, stove, wardrobe, cabinet, sofa, lamp, pillow, countertop, kitchen
island, blind, chandelier, oven, microwave, hood, shower."""
