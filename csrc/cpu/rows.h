// Loops over rows of pixels that several kernels share; compiled for several instruction sets.
#pragma once

#include <cstdint>

namespace pysal {

// out[x] lies between row[first[x]] and row[second[x]].
void upsample_row(float* out, const float* row, const int32_t* first, const int32_t* second,
                  const float* weight, int64_t width);

// out lies between top and bottom.
void mix_rows(float* out, const float* top, const float* bottom, float weight, int64_t width);

// out = m * image + (1 - m) * baseline with m = node * mask.
void compose(float* out, const float* mask, float node, const float* image, const float* baseline,
             int64_t count);

// out = mask * image: compose with a baseline of zeros.
void scale(float* out, const float* mask, const float* image, int64_t count);

// sum += weight * row
void add_scaled(float* sum, float weight, const float* row, int64_t count);

}  // namespace pysal
