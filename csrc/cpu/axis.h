// Linear interpolation along one axis.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace pysal {

// Part of an axis: the outputs from some offset on.
struct AxisView {
    const int32_t *first, *second;
    const float* weight;
    int64_t size;
    bool identity;
};

// Output i lies between inputs first[i] and second[i]: (1 - weight[i]) and weight[i] of them.
struct Axis {
    std::vector<int32_t> first, second;
    std::vector<float> weight;
    bool identity = false;

    // Aligned corners.
    Axis(int64_t in, int64_t out) : Axis(out) {
        identity = in == out;
        // integer arithmetic, so that positions on a sample have weight 0 exactly
        const int64_t steps = std::max<int64_t>(out - 1, 1);
        for (int64_t i = 0; i < out; ++i) set(i, i * (in - 1), steps, in);
    }

    // Aligned pixel centres; positions beyond the first and the last input are mirrored there.
    static Axis mirrored(int64_t in, int64_t out) {
        Axis axis(out);
        const int64_t steps = 2 * out, last = (in - 1) * steps;
        for (int64_t i = 0; i < out; ++i) {
            const int64_t near = std::abs((2 * i + 1) * in - out);
            axis.set(i, in == 1 ? 0 : last - std::abs(last - near), steps, in);
        }
        return axis;
    }

    AxisView view() const { return view(0, static_cast<int64_t>(first.size())); }
    AxisView view(int64_t offset, int64_t size) const {
        return {first.data() + offset, second.data() + offset, weight.data() + offset, size,
                identity};
    }

  private:
    explicit Axis(int64_t out) : first(out), second(out), weight(out) {}

    void set(int64_t i, int64_t position, int64_t steps, int64_t in) {
        const int64_t low = position / steps;
        first[i] = static_cast<int32_t>(low);
        second[i] = static_cast<int32_t>(std::min(low + 1, in - 1));
        weight[i] = static_cast<float>(static_cast<double>(position - low * steps) /
                                       static_cast<double>(steps));
    }
};

// Rows of an image of this width that stay in the first-level cache together with their inputs.
// A multiple of 4, where possible, keeps tiles of common widths on whole chunks of noise.
inline int64_t tile_rows(int64_t width) {
    const int64_t rows = std::max<int64_t>(4096 / std::max<int64_t>(width, 1), 1);
    return rows >= 4 ? rows & ~int64_t{3} : rows;
}

}  // namespace pysal
