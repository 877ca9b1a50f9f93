// Total variation and its gradient in one pass over the rows.
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "cpu/parallel.h"
#include "kernels.h"

namespace pysal {
namespace {

// |d|^b and (d / b) |d|^b per difference: b = 1, 2, 3, or any (0)
template <int Exponent>
PYSAL_INLINE void power(float d, float b, float& term, float& slope) {
    const float size = std::fabs(d);
    if constexpr (Exponent == 1) {
        term = size;
        slope = static_cast<float>((d > 0.0f) - (d < 0.0f));
    } else if constexpr (Exponent == 2) {
        term = d * d;
        slope = d;
    } else if constexpr (Exponent == 3) {
        term = size * (d * d);
        slope = size * d;
    } else {
        term = std::pow(size, b);
        slope = size > 0.0f ? term / d : 0.0f;
    }
}

template <int Exponent>
PYSAL_INLINE void axis_terms(float* __restrict term, float* __restrict flux,
                             const float* __restrict a, const float* __restrict b, float exponent,
                             float scale, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        float slope;
        power<Exponent>(b[i] - a[i], exponent, term[i], slope);
        flux[i] = scale * slope;
    }
}

template <int Exponent>
PYSAL_INLINE void joint_terms(float* __restrict term, float* __restrict down,
                              float* __restrict right, float exponent, float scale, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        const float square = down[i] * down[i] + right[i] * right[i];
        const float size = std::sqrt(square);
        float slope;
        power<Exponent>(size, exponent, term[i], slope);
        const float factor = size > 0.0f ? scale * slope / size : 0.0f;
        down[i] *= factor;
        right[i] *= factor;
    }
}

#define PYSAL_SWITCH_EXPONENT(exponent, function, ...)       \
    if ((exponent) == 2.0f) return function<2>(__VA_ARGS__); \
    if ((exponent) == 1.0f) return function<1>(__VA_ARGS__); \
    if ((exponent) == 3.0f) return function<3>(__VA_ARGS__); \
    return function<0>(__VA_ARGS__)

// Terms |b - a|^exponent and fluxes scale * d/db of term / exponent.
PYSAL_SIMD void anisotropic(float* __restrict term, float* __restrict flux, const float* a,
                            const float* b, float exponent, float scale, int64_t count) {
    PYSAL_SWITCH_EXPONENT(exponent, axis_terms, term, flux, a, b, exponent, scale, count);
}

// The same for the joint size of two differences, which are given in `down` and `right`.
PYSAL_SIMD void isotropic(float* __restrict term, float* __restrict down, float* __restrict right,
                          float exponent, float scale, int64_t count) {
    PYSAL_SWITCH_EXPONENT(exponent, joint_terms, term, down, right, exponent, scale, count);
}

PYSAL_SIMD void differences(float* __restrict out, const float* a, const float* b, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = b[i] - a[i];
}

// In a fixed order, whatever the instruction set.
PYSAL_SIMD double sum(const float* values, int64_t count) {
    constexpr int64_t kSums = 16;
    double sums[kSums] = {};
    int64_t i = 0;
    for (; i + kSums <= count; i += kSums) {
        for (int64_t k = 0; k < kSums; ++k) sums[k] += values[i + k];
    }
    for (int64_t k = 0; i + k < count; ++k) sums[k] += values[i + k];
    for (int64_t half = kSums / 2; half > 0; half /= 2) {
        for (int64_t k = 0; k < half; ++k) sums[k] += sums[k + half];
    }
    return sums[0];
}

// `right` has one zero before its first value.
PYSAL_SIMD void divergence(float* __restrict grad, const float* __restrict above,
                           const float* __restrict down, const float* __restrict right,
                           int64_t count) {
    for (int64_t i = 0; i < count; ++i) grad[i] = (above[i] - down[i]) + (right[i - 1] - right[i]);
}

void tv_mask(const TvParams& p, double down_scale, double right_scale, const float* mask,
             float* grad, double* value) {
    const int64_t h = p.height, w = p.width;
    std::unique_ptr<float[]> memory(new float[5 * w + 1]());
    float *above = memory.get(), *down = above + w, *right = down + w + 1;
    float *down_term = right + w, *right_term = down_term + w;
    const float exponent = static_cast<float>(p.exponent);
    const float down_factor = static_cast<float>(down_scale * p.exponent);
    const float right_factor = static_cast<float>(right_scale * p.exponent);
    double down_sum = 0.0, right_sum = 0.0;
    for (int64_t y = 0; y < h; ++y) {
        const float *row = mask + y * w, *next = y + 1 < h ? row + w : row;
        if (p.isotropic) {
            differences(down, row, next, w);
            differences(right, row, row + 1, w - 1);
            right[w - 1] = 0.0f;
            isotropic(down_term, down, right, exponent, down_factor, w);
        } else {
            anisotropic(down_term, down, row, next, exponent, down_factor, w);
            anisotropic(right_term, right, row, row + 1, exponent, right_factor, w - 1);
            right_sum += sum(right_term, w - 1);
        }
        down_sum += sum(down_term, w);
        divergence(grad + y * w, above, down, right, w);
        std::swap(above, down);
    }
    *value = down_scale * down_sum + right_scale * right_sum;
}

double inverse(int64_t count) { return count > 0 ? 1.0 / static_cast<double>(count) : 0.0; }

}  // namespace

void tv(const TvParams& p) {
    const int64_t h = p.height, w = p.width;
    double down = 1.0, right = 1.0;
    if (p.mean) {
        down = p.isotropic ? inverse(h * w) : inverse((h - 1) * w);
        right = inverse(h * (w - 1));
    }
    constexpr int64_t kWorthATeam = 1 << 15;
    const int threads = p.num_masks * h * w < kWorthATeam ? 1 : p.threads;
    parallel_for(p.num_masks, threads, [&](int64_t n) {
        tv_mask(p, down, right, p.masks + n * h * w, p.grad + n * h * w, p.value + n);
    });
}

}  // namespace pysal
