#include <limits>
#include <mutex>
#include <vector>

#include "launch.h"

namespace pysal::cuda {
namespace {

cudaMemPool_t make_pool(int device, const char* where) {
    int supported = 0;
    check(cudaDeviceGetAttribute(&supported, cudaDevAttrMemoryPoolsSupported, device), where);
    if (!supported) return nullptr;  // some virtual GPUs
    cudaMemPoolProps props = {};
    props.allocType = cudaMemAllocationTypePinned;
    props.location.type = cudaMemLocationTypeDevice;
    props.location.id = device;
    cudaMemPool_t pool = nullptr;
    check(cudaMemPoolCreate(&pool, &props), where);
    uint64_t keep = std::numeric_limits<uint64_t>::max();
    check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep), where);
    return pool;
}

// The pool of the current device, or null. Pools live until the process ends.
cudaMemPool_t current_pool(const char* where) {
    struct Slot {
        bool made = false;
        cudaMemPool_t pool = nullptr;
    };
    static std::mutex mutex;
    static std::vector<Slot> slots;
    int device = 0;
    check(cudaGetDevice(&device), where);
    const std::lock_guard<std::mutex> lock(mutex);
    if (slots.size() <= static_cast<size_t>(device)) slots.resize(device + 1);
    Slot& slot = slots[device];
    if (!slot.made) {
        slot.pool = make_pool(device, where);
        slot.made = true;
    }
    return slot.pool;
}

}  // namespace

Scratch::Scratch(size_t bytes, const char* where, cudaStream_t stream) : stream_(stream) {
    if (bytes == 0) return;
    cudaMemPool_t pool = current_pool(where);
    pooled_ = pool != nullptr;
    check(
        pooled_ ? cudaMallocFromPoolAsync(&data_, bytes, pool, stream) : cudaMalloc(&data_, bytes),
        where);
}

Scratch::~Scratch() {
    if (!data_) return;
    // without a pool, cudaFree waits until the kernels that use the memory are done
    if (pooled_) {
        cudaFreeAsync(data_, stream_);
    } else {
        cudaFree(data_);
    }
}

}  // namespace pysal::cuda
