// Compositions without masks in memory: a task is a tile of rows of one image, in all versions, so
// that image and baseline are read from the first-level cache.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/axis.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "kernels.h"

namespace pysal {

// Rows [begin, end) of one image.
struct Tile {
    int64_t image, begin, end;
};

template <class Body>
void for_tiles(const ComposeParams& p, const Body& body) {
    const int64_t step = tile_rows(p.width), tiles = (p.height + step - 1) / step;
    parallel_for(p.num_images * tiles, p.threads, [&](int64_t task) {
        const int64_t begin = task % tiles * step;
        body(Tile{task / tiles, begin, std::min(begin + step, p.height)});
    });
}

// Calls body(out, image, baseline, count) for every channel of the tile in one version; the
// baseline is null where there is none.
template <class Body>
void for_channels(const ComposeParams& p, const Tile& tile, int64_t version, const Body& body) {
    const int64_t plane = p.height * p.width, offset = tile.begin * p.width;
    const int64_t count = (tile.end - tile.begin) * p.width;
    for (int64_t c = 0; c < p.channels; ++c) {
        const int64_t from = (tile.image * p.channels + c) * plane + offset;
        const int64_t to = tile.image * p.num_versions + version;
        body(p.out + (to * p.channels + c) * plane + offset, p.image + from,
             p.baseline ? p.baseline + from : nullptr, count);
    }
}

// The tile of one version under a mask of values from 0 to 1.
inline void compose_tile(const ComposeParams& p, const Tile& tile, int64_t version,
                         const float* mask) {
    for_channels(p, tile, version,
                 [&](float* out, const float* image, const float* baseline, int64_t count) {
                     if (baseline) {
                         compose(out, mask, 1.0f, image, baseline, count);
                     } else {
                         scale(out, mask, image, count);
                     }
                 });
}

}  // namespace pysal
