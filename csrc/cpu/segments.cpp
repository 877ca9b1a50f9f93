// Segments of the image switched on and off, 32 versions at a time: a pixel looks its segment's
// switches up once, as the bits of one word (LIME).
#include <algorithm>
#include <memory>

#include "cpu/tiles.h"

namespace pysal {
namespace {

constexpr int64_t kBits = 32;

// Switches of each pixel's segment; table[segments] is that of all other numbers.
PYSAL_SIMD void look_up(uint32_t* __restrict words, const uint32_t* __restrict table,
                        const int32_t* __restrict labels, int32_t segments, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        words[i] = table[labels[i] >= 0 && labels[i] < segments ? labels[i] : segments];
    }
}

// The image where the bit is set, else the baseline.
PYSAL_SIMD void choose(float* __restrict out, const uint32_t* __restrict words, uint32_t bit,
                       const float* __restrict image, const float* __restrict baseline,
                       int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        const float shown = image[i], hidden = baseline[i];  // both, so that it vectorizes
        out[i] = words[i] & bit ? shown : hidden;
    }
}

}  // namespace

void blend_segments(const SegmentParams& p) {
    const int64_t segments = p.num_segments;
    for_tiles(p, [&](const Tile& tile) {
        const int64_t count = (tile.end - tile.begin) * p.width;
        const std::unique_ptr<uint32_t[]> memory(new uint32_t[count + segments + 1]);
        uint32_t *words = memory.get(), *table = words + count;
        const int32_t* labels = p.labels + (tile.image * p.height + tile.begin) * p.width;
        for (int64_t first = 0; first < p.num_versions; first += kBits) {
            const int64_t last = std::min(first + kBits, p.num_versions);
            std::fill(table, table + segments, 0u);
            table[segments] = ~0u;
            for (int64_t version = first; version < last; ++version) {
                const uint8_t* keep = p.keep + (tile.image * p.num_versions + version) * segments;
                const uint32_t bit = 1u << (version - first);
                for (int64_t s = 0; s < segments; ++s) table[s] |= keep[s] ? bit : 0u;
            }
            look_up(words, table, labels, static_cast<int32_t>(segments), count);
            for (int64_t version = first; version < last; ++version) {
                const auto write = [&](float* out, const float* image, const float* baseline,
                                       int64_t size) {
                    choose(out, words, 1u << (version - first), image, baseline, size);
                };
                for_channels(p, tile, version, write);
            }
        }
    });
}

}  // namespace pysal
