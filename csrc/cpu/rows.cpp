#include "cpu/rows.h"

#include "cpu/parallel.h"

namespace pysal {

PYSAL_SIMD void upsample_row(float* __restrict out, const float* __restrict row,
                             const int32_t* __restrict first, const int32_t* __restrict second,
                             const float* __restrict weight, int64_t width) {
    for (int64_t x = 0; x < width; ++x) {
        const float left = row[first[x]];
        out[x] = left + weight[x] * (row[second[x]] - left);
    }
}

PYSAL_SIMD void mix_rows(float* __restrict out, const float* __restrict top,
                         const float* __restrict bottom, float weight, int64_t width) {
    for (int64_t x = 0; x < width; ++x) out[x] = top[x] + weight * (bottom[x] - top[x]);
}

PYSAL_SIMD void compose(float* __restrict out, const float* __restrict mask, float node,
                        const float* __restrict image, const float* __restrict baseline,
                        int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        const float m = node * mask[i];
        out[i] = m * image[i] + (1.0f - m) * baseline[i];
    }
}

PYSAL_SIMD void scale(float* __restrict out, const float* __restrict mask,
                      const float* __restrict image, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = mask[i] * image[i];
}

PYSAL_SIMD void add_scaled(float* __restrict sum, float weight, const float* __restrict row,
                           int64_t count) {
    for (int64_t i = 0; i < count; ++i) sum[i] += weight * row[i];
}

}  // namespace pysal
