// Segments switched on and off: csrc/cpu/segments.cpp.
#include "cuda/versions.h"

namespace pysal::cuda {
namespace {

struct Segments {
    static constexpr bool kHard = true;

    const int32_t* labels;
    const uint8_t* keep;
    Axes labels_stride, keep_stride;
    int32_t segments;

    struct Pixels {
        int32_t segment[kElements];  // negative: always shown
    };

    PYSAL_DEVICE void remember(Pixels& pixels, uint32_t n, uint32_t j, uint32_t y,
                               uint32_t x) const {
        const int32_t s =
            labels[n * labels_stride.image + y * labels_stride.row + x * labels_stride.column];
        pixels.segment[j] = s < segments ? s : -1;
    }

    PYSAL_DEVICE void read(const Pixels& pixels, uint32_t n, uint32_t version,
                           float values[kElements]) const {
        const uint8_t* row = keep + n * keep_stride.image + version * keep_stride.node;
        for (int j = 0; j < kElements; ++j) {
            const int32_t s = pixels.segment[j];
            values[j] = s < 0 || row[s * keep_stride.column] ? 1.0f : 0.0f;
        }
    }

    void skip(int64_t n, int64_t version) {
        labels += n * labels_stride.image;
        keep += n * keep_stride.image + version * keep_stride.node;
    }
};

}  // namespace

void blend_segments(const SegmentParams& p) {
    const Segments source{p.labels, p.keep, p.labels_stride, p.keep_stride,
                          static_cast<int32_t>(p.num_segments)};
    compose_versions(p, source, "blend_segments");
}

}  // namespace pysal::cuda
