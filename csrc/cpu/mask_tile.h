// Rows of upsampled masks, a tile at a time: a mask is never stored at the size of the image.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "cpu/axis.h"
#include "cpu/rows.h"

namespace pysal {

// Remembers the two mask rows it used last, upsampled horizontally.
class MaskTile {
  public:
    MaskTile(int64_t mask_width, int64_t width, int64_t tile)
        : mask_width_(mask_width), width_(width), memory_(new float[(tile + 2) * width]) {}

    // Values of rows [begin, end), contiguous. `mask` begins with mask row `base`, and has those
    // that are needed.
    const float* fill(const AxisView& rows, const AxisView& columns, const float* mask,
                      int64_t begin, int64_t end, int32_t base = 0) {
        if (rows.identity && columns.identity) return mask + (begin - base) * width_;
        held_[0] = held_[1] = -1;
        float* tile = memory_.get() + 2 * width_;
        for (int64_t y = begin; y < end; ++y, tile += width_) {
            const float* top = row(columns, mask, rows.first[y] - base);
            if (rows.weight[y] == 0.0f) {
                std::copy(top, top + width_, tile);
            } else {
                const float* bottom = row(columns, mask, rows.second[y] - base);
                mix_rows(tile, top, bottom, rows.weight[y], width_);
            }
        }
        return memory_.get() + 2 * width_;
    }

  private:
    const float* row(const AxisView& columns, const float* mask, int32_t index) {
        const float* source = mask + index * mask_width_;
        if (columns.identity) return source;
        float* slot = memory_.get() + (index & 1) * width_;
        if (held_[index & 1] != index) {
            upsample_row(slot, source, columns.first, columns.second, columns.weight, width_);
            held_[index & 1] = index;
        }
        return slot;
    }

    int64_t mask_width_, width_;
    int64_t held_[2] = {-1, -1};
    std::unique_ptr<float[]> memory_;  // two mask rows, then the tile
};

}  // namespace pysal
