// Coarse grids as masks: csrc/cpu/grids.cpp.
#include "cuda/versions.h"

namespace pysal::cuda {
namespace {

constexpr const char* kName = "blend_grids";

struct Grids {
    static constexpr bool kHard = false;

    const float* grids;
    const int32_t* offsets;
    Axes grids_stride, offsets_stride;
    MirroredAxis rows, columns;

    struct Pixels {
        uint32_t y[kElements], x[kElements];
    };

    PYSAL_DEVICE void remember(Pixels& pixels, uint32_t, uint32_t j, uint32_t y, uint32_t x) const {
        pixels.y[j] = y;
        pixels.x[j] = x;
    }

    PYSAL_DEVICE void read(const Pixels& pixels, uint32_t, uint32_t version,
                           float keep[kElements]) const {
        const float* grid = grids + version * grids_stride.node;
        const int32_t* offset = offsets + version * offsets_stride.node;
        const uint32_t down = offset[0], right = offset[offsets_stride.column];
        for (int j = 0; j < kElements; ++j) {
            // an offset that leaves the grid must not be one that leaves the memory
            keep[j] = value(grid, min(pixels.y[j] + down, rows.out - 1),
                            min(pixels.x[j] + right, columns.out - 1));
        }
    }

    PYSAL_DEVICE float value(const float* grid, uint32_t y, uint32_t x) const {
        uint32_t first, left;
        float down, right;
        rows.at(y, first, down);
        columns.at(x, left, right);
        const float* top = grid + first * grids_stride.row + left * grids_stride.column;
        const float* bottom = top + (down > 0.0f ? grids_stride.row : 0);
        const int64_t next = right > 0.0f ? grids_stride.column : 0;
        const float upper = *top + right * (top[next] - *top);
        const float lower = *bottom + right * (bottom[next] - *bottom);
        return upper + down * (lower - upper);
    }

    void skip(int64_t, int64_t version) {
        grids += version * grids_stride.node;
        offsets += version * offsets_stride.node;
    }
};

}  // namespace

void blend_grids(const GridParams& p) {
    MirroredAxis::require_sizes(p.grid_height, p.up_height, kName);
    MirroredAxis::require_sizes(p.grid_width, p.up_width, kName);
    const Grids source{p.grids,
                       p.offsets,
                       p.grids_stride,
                       p.offsets_stride,
                       MirroredAxis(p.grid_height, p.up_height),
                       MirroredAxis(p.grid_width, p.up_width)};
    compose_versions(p, source, kName);
}

}  // namespace pysal::cuda
