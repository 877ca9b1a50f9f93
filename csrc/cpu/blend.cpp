// Masked composition with noise, one tile of rows at a time: the mask is never stored at full size.
#include <algorithm>
#include <memory>

#include "cpu/axis.h"
#include "cpu/parallel.h"
#include "kernels.h"
#include "philox.h"

namespace pysal {
namespace {

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

// Part of one channel of one composed image: elements [begin, begin + count), at `out`.
struct NoisePart {
    float* out;
    float std;
    NoiseStream stream;
    uint32_t channel_block;
    int64_t begin, count;
};

template <class Word>
PYSAL_INLINE void add_noise_as(const NoisePart& part) {
    alignas(64) float z[kChunk];
    const float std = part.std;
    const NoiseStream stream = part.stream;
    const int64_t end = part.begin + part.count;
    for (int64_t chunk = part.begin / kChunk; chunk * kChunk < end; ++chunk) {
        const uint32_t block = part.channel_block + static_cast<uint32_t>(chunk) * kLanes;
        for (uint32_t lane = 0; lane < kLanes; ++lane) {
            float values[4];
            normal4<Word>(stream, block + lane, values);
            for (int j = 0; j < 4; ++j) z[j * kLanes + lane] = values[j];
        }
        const int64_t first = chunk * kChunk - part.begin;
        float* __restrict out = part.out + first;
        if (first >= 0 && first + kChunk <= part.count) {
            for (int i = 0; i < kChunk; ++i) out[i] += std * z[i];
        } else {
            const int64_t stop = std::min<int64_t>(kChunk, part.count - first);
            for (int64_t i = std::max<int64_t>(0, -first); i < stop; ++i) out[i] += std * z[i];
        }
    }
}

#ifdef PYSAL_X86_CLONES
// AVX-512 multiplies 64-bit lanes; before it, 32-bit lanes are faster.
__attribute__((target("default"))) void add_noise(const NoisePart& part) {
    add_noise_as<uint32_t>(part);
}
__attribute__((target("arch=x86-64-v3"))) void add_noise(const NoisePart& part) {
    add_noise_as<uint32_t>(part);
}
__attribute__((target("arch=x86-64-v4"))) void add_noise(const NoisePart& part) {
    add_noise_as<uint64_t>(part);
}
#else
void add_noise(const NoisePart& part) { add_noise_as<uint32_t>(part); }
#endif

// Rows of an upsampled mask; remembers the two mask rows it used last, upsampled horizontally.
class MaskTile {
  public:
    MaskTile(const Axis& rows, const Axis& columns, int64_t mask_width, int64_t tile)
        : rows_(rows),
          columns_(columns),
          mask_width_(mask_width),
          width_(columns.first.size()),
          memory_(new float[(tile + 2) * width_]) {}

    // Values of rows [begin, end) of the mask, contiguous.
    const float* fill(const float* mask, int64_t begin, int64_t end) {
        if (rows_.identity && columns_.identity) return mask + begin * width_;
        held_[0] = held_[1] = -1;
        float* tile = memory_.get() + 2 * width_;
        for (int64_t y = begin; y < end; ++y, tile += width_) {
            const float* top = row(mask, rows_.first[y]);
            if (rows_.weight[y] == 0.0f) {
                std::copy(top, top + width_, tile);
            } else {
                mix_rows(tile, top, row(mask, rows_.second[y]), rows_.weight[y], width_);
            }
        }
        return memory_.get() + 2 * width_;
    }

  private:
    const float* row(const float* mask, int32_t index) {
        const float* source = mask + index * mask_width_;
        if (columns_.identity) return source;
        float* slot = memory_.get() + (index & 1) * width_;
        if (held_[index & 1] != index) {
            upsample_row(slot, source, columns_.first.data(), columns_.second.data(),
                         columns_.weight.data(), width_);
            held_[index & 1] = index;
        }
        return slot;
    }

    const Axis &rows_, &columns_;
    int64_t mask_width_, width_;
    int64_t held_[2] = {-1, -1};
    std::unique_ptr<float[]> memory_;  // two mask rows, then the tile
};

void blend_tile(const BlendParams& p, MaskTile& tile, int64_t n, int64_t begin, int64_t end) {
    const int64_t plane = p.height * p.width, mask_size = p.mask_height * p.mask_width;
    const int64_t offset = begin * p.width, count = (end - begin) * p.width;
    const uint32_t channel_blocks = static_cast<uint32_t>((plane + kChunk - 1) / kChunk) * kLanes;
    const float* mask = nullptr;
    for (int64_t s = 0; s < p.num_nodes; ++s) {
        if (!p.nodes || s == 0) {
            const float* source = p.masks + (p.nodes ? n : n * p.num_nodes + s) * mask_size;
            mask = tile.fill(source, begin, end);
        }
        for (int64_t c = 0; c < p.channels; ++c) {
            const int64_t from = (n * p.channels + c) * plane + offset;
            float* out = p.out + ((n * p.num_nodes + s) * p.channels + c) * plane + offset;
            compose(out, mask, p.nodes ? p.nodes[s] : 1.0f, p.image + from, p.baseline + from,
                    count);
            if (p.noise_std && p.noise_std[c] != 0.0f) {
                const uint64_t seed = p.noise_seed[n];
                const NoiseStream stream{static_cast<uint32_t>(seed),
                                         static_cast<uint32_t>(seed >> 32),
                                         p.first_node + static_cast<uint32_t>(s), p.noise_step};
                add_noise({out, p.noise_std[c], stream, static_cast<uint32_t>(c) * channel_blocks,
                           offset, count});
            }
        }
    }
}

}  // namespace

void blend(const BlendParams& p) {
    const Axis rows(p.mask_height, p.height), columns(p.mask_width, p.width);
    const int64_t step = tile_rows(p.width), tiles = (p.height + step - 1) / step;
    parallel_for(p.num_images * tiles, p.threads, [&](int64_t task) {
        MaskTile tile(rows, columns, p.mask_width, step);
        const int64_t begin = task % tiles * step;
        blend_tile(p, tile, task / tiles, begin, std::min(begin + step, p.height));
    });
}

}  // namespace pysal
