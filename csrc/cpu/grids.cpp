// Coarse random grids as masks: each is upsampled, shifted and cut as it is applied (RISE).
#include "cpu/mask_tile.h"
#include "cpu/tiles.h"

namespace pysal {

void blend_grids(const GridParams& p) {
    const Axis rows = Axis::mirrored(p.grid_height, p.up_height);
    const Axis columns = Axis::mirrored(p.grid_width, p.up_width);
    for_tiles(p, [&](const Tile& tile) {
        MaskTile mask(p.grid_width, p.width, tile.end - tile.begin);
        for (int64_t version = 0; version < p.num_versions; ++version) {
            const AxisView down = rows.view(p.offsets[2 * version], p.height);
            const AxisView right = columns.view(p.offsets[2 * version + 1], p.width);
            const float* grid = p.grids + version * p.grid_height * p.grid_width;
            compose_tile(p, tile, version, mask.fill(down, right, grid, tile.begin, tile.end));
        }
    });
}

}  // namespace pysal
