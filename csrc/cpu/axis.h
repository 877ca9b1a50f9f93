// Linear interpolation along one axis with aligned corners.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pysal {

// Output i lies between inputs first[i] and second[i]: (1 - weight[i]) and weight[i] of them.
struct Axis {
    std::vector<int32_t> first, second;
    std::vector<float> weight;
    bool identity;

    Axis(int64_t in, int64_t out) : first(out), second(out), weight(out), identity(in == out) {
        // integer arithmetic, so that positions on a sample have weight 0 exactly
        const int64_t steps = std::max<int64_t>(out - 1, 1);
        for (int64_t i = 0; i < out; ++i) {
            const int64_t position = i * (in - 1);
            const int64_t low = position / steps;
            first[i] = static_cast<int32_t>(low);
            second[i] = static_cast<int32_t>(std::min(low + 1, in - 1));
            weight[i] = static_cast<float>(static_cast<double>(position - low * steps) /
                                           static_cast<double>(steps));
        }
    }
};

// Rows of an image of this width that stay in the first-level cache together with their inputs.
// A multiple of 4, where possible, keeps tiles of common widths on whole chunks of noise.
inline int64_t tile_rows(int64_t width) {
    const int64_t rows = std::max<int64_t>(4096 / std::max<int64_t>(width, 1), 1);
    return rows >= 4 ? rows & ~int64_t{3} : rows;
}

}  // namespace pysal
