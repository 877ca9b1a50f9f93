// Windows of the baseline: csrc/cpu/patches.cpp.
#include "cuda/versions.h"

namespace pysal::cuda {
namespace {

struct Patches {
    static constexpr bool kHard = true;

    const int32_t* corners;
    int64_t version_step, axis_step;
    uint32_t height, width;

    struct Pixels {
        uint32_t y[kElements], x[kElements];
    };

    PYSAL_DEVICE void remember(Pixels& pixels, uint32_t, uint32_t j, uint32_t y, uint32_t x) const {
        pixels.y[j] = y;
        pixels.x[j] = x;
    }

    PYSAL_DEVICE void read(const Pixels& pixels, uint32_t, uint32_t version,
                           float keep[kElements]) const {
        const int32_t* corner = corners + version * version_step;
        // differences wrap around: left of or above the window they are large
        const uint32_t top = static_cast<uint32_t>(corner[0]);
        const uint32_t left = static_cast<uint32_t>(corner[axis_step]);
        for (int j = 0; j < kElements; ++j) {
            const bool inside = pixels.y[j] - top < height && pixels.x[j] - left < width;
            keep[j] = inside ? 0.0f : 1.0f;
        }
    }

    void skip(int64_t, int64_t version) { corners += version * version_step; }
};

}  // namespace

void blend_patches(const PatchParams& p) {
    constexpr int64_t kLimit = int64_t{1} << 31;
    require(p.height < kLimit && p.width < kLimit, "blend_patches", "the image is too large");
    const Patches source{p.corners, p.corners_stride.node, p.corners_stride.column,
                         static_cast<uint32_t>(std::min(p.patch_height, kLimit)),
                         static_cast<uint32_t>(std::min(p.patch_width, kLimit))};
    compose_versions(p, source, "blend_patches");
}

}  // namespace pysal::cuda
