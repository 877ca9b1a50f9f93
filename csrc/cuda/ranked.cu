// Cells above a rank as masks: csrc/cpu/ranked.cpp.
#include "cuda/versions.h"

namespace pysal::cuda {
namespace {

constexpr const char* kName = "blend_ranked";

struct Ranked {
    static constexpr bool kHard = false;

    const int32_t *ranks, *thresholds;
    Axes ranks_stride;
    int64_t threshold_step;
    Axis rows, columns;

    struct Pixels {
        int32_t ranks[kElements][4];  // of the cells around a pixel: upper two, lower two
        float down[kElements], right[kElements];
    };

    PYSAL_DEVICE void remember(Pixels& pixels, uint32_t n, uint32_t j, uint32_t y,
                               uint32_t x) const {
        uint32_t first, left;
        rows.at(y, first, pixels.down[j]);
        columns.at(x, left, pixels.right[j]);
        const int32_t* top =
            ranks + n * ranks_stride.image + first * ranks_stride.row + left * ranks_stride.column;
        const int32_t* bottom = top + (pixels.down[j] > 0.0f ? ranks_stride.row : 0);
        const int64_t next = pixels.right[j] > 0.0f ? ranks_stride.column : 0;
        pixels.ranks[j][0] = top[0];
        pixels.ranks[j][1] = top[next];
        pixels.ranks[j][2] = bottom[0];
        pixels.ranks[j][3] = bottom[next];
    }

    PYSAL_DEVICE void read(const Pixels& pixels, uint32_t, uint32_t version,
                           float keep[kElements]) const {
        const int32_t threshold = thresholds[version * threshold_step];
        for (int j = 0; j < kElements; ++j) {
            float cells[4];
            for (int k = 0; k < 4; ++k) cells[k] = pixels.ranks[j][k] >= threshold ? 1.0f : 0.0f;
            const float upper = cells[0] + pixels.right[j] * (cells[1] - cells[0]);
            const float lower = cells[2] + pixels.right[j] * (cells[3] - cells[2]);
            keep[j] = upper + pixels.down[j] * (lower - upper);
        }
    }

    void skip(int64_t n, int64_t version) {
        ranks += n * ranks_stride.image;
        thresholds += version * threshold_step;
    }
};

}  // namespace

void blend_ranked(const RankParams& p) {
    require_sizes(p.rank_height, p.height, kName);
    require_sizes(p.rank_width, p.width, kName);
    const Ranked source{p.ranks,
                        p.thresholds,
                        p.ranks_stride,
                        p.thresholds_stride.node,
                        Axis(p.rank_height, p.height),
                        Axis(p.rank_width, p.width)};
    compose_versions(p, source, kName);
}

}  // namespace pysal::cuda
