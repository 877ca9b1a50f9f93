// Cells above a rank as masks, made as they are applied: insertion and deletion curves.
#include <memory>

#include "cpu/mask_tile.h"
#include "cpu/tiles.h"

namespace pysal {
namespace {

PYSAL_SIMD void threshold_row(float* __restrict out, const int32_t* __restrict ranks,
                              int32_t threshold, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = ranks[i] >= threshold ? 1.0f : 0.0f;
}

}  // namespace

void blend_ranked(const RankParams& p) {
    const Axis rows(p.rank_height, p.height), columns(p.rank_width, p.width);
    for_tiles(p, [&](const Tile& tile) {
        const int32_t base = rows.first[tile.begin];
        const int64_t cells = (rows.second[tile.end - 1] - base + 1) * p.rank_width;
        const std::unique_ptr<float[]> keep(new float[cells]);
        const int32_t* ranks = p.ranks + (tile.image * p.rank_height + base) * p.rank_width;
        MaskTile mask(p.rank_width, p.width, tile.end - tile.begin);
        for (int64_t version = 0; version < p.num_versions; ++version) {
            threshold_row(keep.get(), ranks, p.thresholds[version], cells);
            compose_tile(
                p, tile, version,
                mask.fill(rows.view(), columns.view(), keep.get(), tile.begin, tile.end, base));
        }
    });
}

}  // namespace pysal
