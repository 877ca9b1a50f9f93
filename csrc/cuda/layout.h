// How threads find their elements: tensors of any strides, walked in the order of their memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <limits>

#include "cuda/params.h"
#include "launch.h"
#include "philox.h"

#define PYSAL_DEVICE __device__ __forceinline__

namespace pysal::cuda {

constexpr int kElements = 4;  // of one thread: 16 bytes

// Division by a number that the compiler does not know, for n < 2^31: a product and a shift [1].
//
// [1] Granlund, Montgomery: Division by invariant integers using multiplication. PLDI 1994.
struct Divisor {
    uint32_t value = 1, multiplier = 1, shift = 0;

    Divisor() = default;
    explicit Divisor(uint32_t divisor) : value(divisor) {
        while ((uint64_t{1} << shift) < divisor) ++shift;
        multiplier =
            static_cast<uint32_t>(((((uint64_t{1} << shift) - divisor) << 32) / divisor) + 1);
    }
    PYSAL_DEVICE uint32_t divide(uint32_t n) const {
        const uint32_t high = static_cast<uint32_t>((uint64_t{n} * multiplier) >> 32);
        return (high + n) >> shift;
    }
};

// A tensor inside a launch: far steps between images and nodes, 32 bits inside one image.
template <class T>
struct Tensor {
    T* data = nullptr;
    int64_t image = 0, node = 0;
    int32_t channel = 0, row = 0, column = 0;

    Tensor() = default;
    Tensor(T* pointer, const Axes& stride, const Axes& size, const char* where)
        : data(pointer),
          image(size.image > 1 ? stride.image : 0),
          node(size.node > 1 ? stride.node : 0),
          channel(narrow(stride.channel, size.channel, where)),
          row(narrow(stride.row, size.row, where)),
          column(narrow(stride.column, size.column, where)) {
        const int64_t span =
            reach(channel, size.channel) + reach(row, size.row) + reach(column, size.column);
        require(span < kLimit, where, "one image spans 2**31 elements or more");
    }

    // Elements from the start of the image to those of a pixel.
    PYSAL_DEVICE int32_t at(uint32_t c, uint32_t y, uint32_t x) const {
        return static_cast<int32_t>(c) * channel + static_cast<int32_t>(y) * row +
               static_cast<int32_t>(x) * column;
    }

    // Whether 4 consecutive elements in the order of memory can be accessed at once.
    bool wide(uint32_t elements, bool packed) const {
        const int64_t steps = image | node | (packed ? 0 : channel);
        return reinterpret_cast<uintptr_t>(data) % 16 == 0 && steps % kElements == 0 &&
               elements % kElements == 0;
    }

    // The elements of each channel in a row.
    bool planar(const Axes& size) const {
        return runs(column, size.column, 1) && runs(row, size.row, size.column);
    }

    // The elements of an image in a row, channels last.
    bool packed(const Axes& size) const {
        return runs(channel, size.channel, 1) && runs(column, size.column, size.channel) &&
               runs(row, size.row, size.column * size.channel);
    }

  private:
    static constexpr int64_t kLimit = std::numeric_limits<int32_t>::max();

    static int32_t narrow(int64_t stride, int64_t size, const char* where) {
        if (size <= 1) return 0;
        require(stride > -kLimit && stride < kLimit, where,
                "one image spans 2**31 elements or more");
        return static_cast<int32_t>(stride);
    }
    static int64_t reach(int64_t stride, int64_t size) {
        return size > 1 ? (stride < 0 ? -stride : stride) * (size - 1) : 0;
    }
    static bool runs(int64_t stride, int64_t size, int64_t expected) {
        return size <= 1 || stride == expected;
    }
};

// The elements of one image as threads take them: the pixels of one channel after another
// (group 1), or, where the channels of a pixel are neighbours in memory, all in that order (group
// C, and one channel as far as loops are concerned). The tensor that moves most bytes decides.
struct Walk {
    uint32_t elements = 0;  // of one channel, or of the image
    uint32_t channels = 0;  // left for loops
    Divisor group, width;
    bool wide = false;     // 4 consecutive elements per thread, 16-byte accesses of the main tensor
    bool wide_in = false;  // and of image and baseline

    Walk() = default;
    template <class T>
    Walk(const Tensor<T>& main, const Tensor<const float>& image,
         const Tensor<const float>& baseline, const Axes& size, uint32_t largest_group)
        : Walk(by_channel(size)) {
        const bool packed = size.channel > 1 && size.channel <= largest_group &&
                            !main.planar(size) && main.packed(size);
        if (packed) {
            group = Divisor(channels);
            elements *= channels;
            channels = 1;
        }
        const auto whole = [&](const auto& tensor) {
            return (packed ? tensor.packed(size) : tensor.planar(size)) &&
                   tensor.wide(elements, packed);
        };
        wide = whole(main);
        wide_in = wide && whole(image) && whole(baseline);
    }

    // One channel after another, one element at a time: fits tensors of any strides.
    static Walk by_channel(const Axes& size) {
        Walk walk;
        walk.elements = static_cast<uint32_t>(size.row * size.column);
        walk.channels = static_cast<uint32_t>(size.channel);
        walk.width = Divisor(static_cast<uint32_t>(size.column));
        return walk;
    }

    // Channel (inside its group), row and column of an element.
    PYSAL_DEVICE void locate(uint32_t element, uint32_t& c, uint32_t& y, uint32_t& x) const {
        const uint32_t pixel = group.divide(element);
        c = element - pixel * group.value;
        y = width.divide(pixel);
        x = pixel - y * width.value;
    }
};

// Elements of one channel at offsets from `data`; consecutive ones at once where that is allowed.
PYSAL_DEVICE void load(float values[kElements], const float* data, const int32_t offsets[kElements],
                       bool wide) {
    if (wide) {
        const float4 four = *reinterpret_cast<const float4*>(data + offsets[0]);
        values[0] = four.x, values[1] = four.y, values[2] = four.z, values[3] = four.w;
    } else {
        for (int j = 0; j < kElements; ++j) values[j] = data[offsets[j]];
    }
}

// Sizes that 32-bit positions and exact weights allow; see Axis.
inline void require_sizes(int64_t size, int64_t out, const char* where) {
    require(size >= 1 && out <= (int64_t{1} << 24) && out * size < (int64_t{1} << 31), where,
            "image and mask are too large for the kernels on CUDA");
}

// Linear interpolation along one axis with aligned corners: csrc/cpu/axis.h, without tables.
struct Axis {
    uint32_t size = 1, out = 1;  // of the mask, of the image
    Divisor steps;

    Axis() = default;
    Axis(int64_t in, int64_t out_size)
        : size(static_cast<uint32_t>(in)),
          out(static_cast<uint32_t>(out_size)),
          steps(out_size > 1 ? static_cast<uint32_t>(out_size) - 1 : 1) {}

    // Output i lies between inputs `first` and first + 1, or on `first`, which may be the last,
    // with weight 0. The quotient of two integers below 2^24 is never so near to the middle between
    // two floats that rounding to double before, as on the CPU, would make a difference.
    PYSAL_DEVICE void at(uint32_t i, uint32_t& first, float& weight) const {
        const uint32_t position = i * (size - 1);
        first = steps.divide(position);
        weight =
            static_cast<float>(position - first * steps.value) / static_cast<float>(steps.value);
    }

    // The first output whose `first` is at least `input`; `out` if there is none.
    PYSAL_DEVICE uint32_t begin(uint32_t input) const {
        if (input == 0) return 0;
        if (input >= size) return out;
        const uint32_t i = (input * steps.value + size - 2) / (size - 1);
        return i < out ? i : out;
    }
};

// The same with aligned pixel centres, mirrored at the first and the last input.
struct MirroredAxis {
    uint32_t size = 1, out = 1;
    Divisor steps;

    MirroredAxis() = default;
    MirroredAxis(int64_t in, int64_t out_size)
        : size(static_cast<uint32_t>(in)),
          out(static_cast<uint32_t>(out_size)),
          steps(2 * static_cast<uint32_t>(out_size)) {}

    // Sizes whose positions fit into 31 bits, and whose weights are exact: see Axis::at.
    static void require_sizes(int64_t size, int64_t out, const char* where) {
        require(size >= 1 && out >= 1 && out <= (int64_t{1} << 23) &&
                    2 * out * size < (int64_t{1} << 31),
                where, "grids are too large for the kernels on CUDA");
    }

    PYSAL_DEVICE void at(uint32_t i, uint32_t& first, float& weight) const {
        const int32_t last = static_cast<int32_t>((size - 1) * steps.value);
        const int32_t near =
            abs(static_cast<int32_t>((2 * i + 1) * size) - static_cast<int32_t>(out));
        const uint32_t position = size > 1 ? last - abs(last - near) : 0;
        first = steps.divide(position);
        weight =
            static_cast<float>(position - first * steps.value) / static_cast<float>(steps.value);
    }
};

}  // namespace pysal::cuda
