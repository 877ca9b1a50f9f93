// Windows of the baseline on copies of the image: occlusion.
#include <algorithm>

#include "cpu/tiles.h"

namespace pysal {

void blend_patches(const PatchParams& p) {
    for_tiles(p, [&](const Tile& tile) {
        for (int64_t version = 0; version < p.num_versions; ++version) {
            const int64_t top = p.corners[2 * version], left = p.corners[2 * version + 1];
            const int64_t begin = std::max(top, tile.begin);
            const int64_t end = std::min(top + p.patch_height, tile.end);
            const int64_t first = std::max<int64_t>(left, 0);
            const int64_t last = std::min(left + p.patch_width, p.width);
            for_channels(p, tile, version,
                         [&](float* out, const float* image, const float* baseline, int64_t count) {
                             std::copy(image, image + count, out);
                             if (first >= last) return;
                             for (int64_t y = begin; y < end; ++y) {
                                 const int64_t row = (y - tile.begin) * p.width;
                                 std::copy(baseline + row + first, baseline + row + last,
                                           out + row + first);
                             }
                         });
        }
    });
}

}  // namespace pysal
