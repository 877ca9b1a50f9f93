// Segments of the image switched on and off: LIME.
#include <algorithm>
#include <memory>

#include "cpu/tiles.h"

namespace pysal {
namespace {

// Numbers outside of 0 to segments - 1 become `segments`.
PYSAL_SIMD void known(int32_t* __restrict out, const int32_t* __restrict labels, int32_t segments,
                      int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        out[i] = labels[i] >= 0 && labels[i] < segments ? labels[i] : segments;
    }
}

}  // namespace

void blend_segments(const SegmentParams& p) {
    const int64_t plane = p.height * p.width, segments = p.num_segments;
    for_tiles(p, [&](const Tile& tile) {
        const int64_t count = (tile.end - tile.begin) * p.width;
        const std::unique_ptr<int32_t[]> memory(new int32_t[2 * count + segments + 1]);
        int32_t *index = memory.get(), *on = index + count, *table = on + count;
        known(index, p.labels + tile.image * plane + tile.begin * p.width,
              static_cast<int32_t>(segments), count);
        table[segments] = 1;
        for (int64_t version = 0; version < p.num_versions; ++version) {
            const uint8_t* keep = p.keep + (tile.image * p.num_versions + version) * segments;
            std::copy(keep, keep + segments, table);
            look_up(on, table, index, count);
            for_channels(p, tile, version,
                         [&](float* out, const float* image, const float* baseline, int64_t size) {
                             choose(out, on, image, baseline, size);
                         });
        }
    });
}

}  // namespace pysal
