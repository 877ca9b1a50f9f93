// Compositions without masks in memory. A source gives the mask values of a thread's pixels in a
// version:
//   struct Pixels                        what a thread remembers of its pixels, for all versions
//   remember(pixels, n, j, y, x)         pixel j, of image n of the launch
//   read(pixels, n, version, keep)       writes kElements values
//   kHard                                whether they are 0 or 1 only
//   skip(n, version)                     begins at a later image and version
#pragma once

#include "cuda/compose.h"

namespace pysal::cuda {

template <class Source>
struct VersionsLaunch {
    Tensor<const float> image, baseline;
    Tensor<float> out;
    Walk walk;
    uint32_t versions, versions_per_block, channel_groups;
    Source source;
};

// Grid: tiles of elements, groups of versions times groups of channels, images.
template <class Source, bool Wide>
__global__ void __launch_bounds__(kThreads, 3)
    versions_kernel(const __grid_constant__ VersionsLaunch<Source> p) {
    const uint32_t first = blockIdx.x * kTile + threadIdx.x * (Wide ? kElements : 1);
    if (first >= p.walk.elements) return;
    const uint32_t n = blockIdx.z, begin = blockIdx.y / p.channel_groups * p.versions_per_block;
    const uint32_t end = min(begin + p.versions_per_block, p.versions);
    typename Source::Pixels pixels;
    const Elements e = elements_at(
        p, first, Wide ? 1 : kThreads,
        [&](uint32_t j, uint32_t y, uint32_t x) { p.source.remember(pixels, n, j, y, x); });
    const Channels channels = load_channels(p, e, n, blockIdx.y % p.channel_groups * kChannels,
                                            p.baseline.data == nullptr);
    float* out = p.out.data + n * p.out.image + begin * p.out.node + p.out.at(channels.first, 0, 0);
    for (uint32_t version = begin; version < end; ++version, out += p.out.node) {
        float keep[kElements];
        p.source.read(pixels, n, version, keep);
#pragma unroll
        for (uint32_t k = 0; k < kChannels; ++k) {
            if (k >= channels.count) break;
            float values[kElements];
            for (int j = 0; j < kElements; ++j) {
                const float image = channels.image[k][j], baseline = channels.baseline[k][j];
                values[j] = Source::kHard ? (keep[j] != 0.0f ? image : baseline)
                                          : keep[j] * image + (1.0f - keep[j]) * baseline;
            }
            store<Wide>(out + p.out.at(k, 0, 0), e, values);
        }
    }
}

// Runs a source over all images and versions, in as many launches as that takes.
template <class Params, class Source>
void compose_versions(const Params& p, Source source, const char* where) {
    if (p.num_images * p.num_versions * p.channels * p.height * p.width == 0) return;
    require(p.channels <= kMaxChannels, where, "there are more than 65535 channels");
    const Axes images{p.num_images, 1, p.channels, p.height, p.width};
    const Axes results{p.num_images, p.num_versions, p.channels, p.height, p.width};
    VersionsLaunch<Source> all = {};
    all.image = {p.image, p.image_stride, images, where};
    all.baseline = {p.baseline, p.baseline ? p.baseline_stride : p.image_stride, images, where};
    all.out = {p.out, p.out_stride, results, where};
    all.walk = Walk(all.out, all.image, all.baseline, images, kMaxChannels);
    all.source = source;
    const int64_t groups = ceil_div(all.walk.channels, kChannels);
    const int64_t tiles = ceil_div(all.walk.elements, kTile), most = kImagesPerLaunch / groups;
    all.channel_groups = static_cast<uint32_t>(groups);
    for (int64_t n = 0; n < p.num_images; n += kImagesPerLaunch) {
        const int64_t num_images = std::min(kImagesPerLaunch, p.num_images - n);
        for (int64_t v = 0; v < p.num_versions; v += most) {
            VersionsLaunch<Source> part = all;
            const int64_t versions = std::min(most, p.num_versions - v);
            const int64_t each = split_versions(versions, tiles * groups * num_images, where);
            part.image.data += n * part.image.image;
            if (p.baseline) part.baseline.data += n * part.baseline.image;
            part.out.data += n * part.out.image + v * part.out.node;
            part.source.skip(n, v);
            part.versions = static_cast<uint32_t>(versions);
            part.versions_per_block = static_cast<uint32_t>(each);
            const dim3 grid(static_cast<uint32_t>(tiles),
                            static_cast<uint32_t>(ceil_div(versions, each) * groups),
                            static_cast<uint32_t>(num_images));
            const auto kernel =
                part.walk.wide ? versions_kernel<Source, true> : versions_kernel<Source, false>;
            launch(where, kernel, grid, kThreads, static_cast<cudaStream_t>(p.stream), part);
        }
    }
}

}  // namespace pysal::cuda
