// CUDA's runtime on the CPU, as far as csrc/cuda uses it, for tests without a GPU: put this folder
// first on the include path and compile the .cu files as C++. Threads of a block are fibers that
// change at __syncthreads; blocks and fibers run in a mixed order, so that what depends on the
// order shows. Scratch memory is filled with NaN.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <tuple>
#include <type_traits>
#include <vector>

#define PYSAL_EMULATED 1
#define __host__
#define __device__
#define __global__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __shared__ static thread_local

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct double2 {
    double x, y;
};

// Wide accesses of a GPU fail at addresses that are not multiples of 16, and so do these.
struct float4 {
    float x, y, z, w;

    float4(float a, float b, float c, float d) : x(a), y(b), z(c), w(d) {}
    float4(const float4& other) : float4(other.x, other.y, other.z, other.w) { check(&other); }
    float4& operator=(const float4& other) {
        check(this);
        x = other.x, y = other.y, z = other.z, w = other.w;
        return *this;
    }

  private:
    static void check(const void* address) {
        if (reinterpret_cast<uintptr_t>(address) % 16 == 0) return;
        std::fprintf(stderr, "emulated CUDA: misaligned address\n");
        std::abort();
    }
};
inline float4 make_float4(float x, float y, float z, float w) { return float4(x, y, z, w); }

inline thread_local uint3 threadIdx, blockIdx;
inline thread_local dim3 blockDim, gridDim;

template <class T>
T min(T a, std::common_type_t<T> b) {
    return b < a ? b : a;
}
template <class T>
T max(T a, std::common_type_t<T> b) {
    return a < b ? b : a;
}

namespace emulate {

// The fibers of one block; they are kept from block to block, and used by one host thread.
class Block {
  public:
    // Runs `body` once per thread of the block.
    template <class Body>
    void run(const Body& body) {
        body_ = [](const void* data) { (*static_cast<const Body*>(data))(); };
        data_ = &body;
        const unsigned count = blockDim.x * blockDim.y * blockDim.z;
        while (fibers_.size() < count) add_fiber();
        for (unsigned i = 0; i < count; ++i) fibers_[i]->state = kReady;
        // every turn goes from barrier to barrier; the second one backwards, and so on
        for (unsigned turn = 0, left = count; left > 0; ++turn) {
            unsigned waiting = 0;
            left = 0;
            for (unsigned k = 0; k < count; ++k) {
                const unsigned i = turn % 2 ? count - 1 - k : k;
                if (fibers_[i]->state == kDone) continue;
                resume(i);
                waiting += fibers_[i]->state == kWaiting;
                ++left;
            }
            if (waiting != 0 && waiting != left) fail("some threads of a block miss a barrier");
            if (waiting == 0) left = 0;
        }
    }

    void barrier() {
        current_->state = kWaiting;
        swapcontext(&current_->context, &scheduler_);
    }

    static Block& here() {
        static thread_local Block block;
        return block;
    }

  private:
    enum State { kReady, kWaiting, kDone };
    struct Fiber {
        ucontext_t context;
        State state = kReady;
        std::unique_ptr<char[]> stack;
    };

    [[noreturn]] static void fail(const char* what) {
        std::fprintf(stderr, "emulated CUDA: %s\n", what);
        std::abort();
    }

    static void loop() {
        for (;;) {
            Block& block = here();
            block.body_(block.data_);
            block.current_->state = kDone;
            swapcontext(&block.current_->context, &block.scheduler_);
        }
    }

    void add_fiber() {
        constexpr size_t kStack = 128 << 10;
        auto fiber = std::make_unique<Fiber>();
        fiber->stack.reset(new char[kStack]);
        getcontext(&fiber->context);
        fiber->context.uc_stack.ss_sp = fiber->stack.get();
        fiber->context.uc_stack.ss_size = kStack;
        fiber->context.uc_link = nullptr;
        makecontext(&fiber->context, &loop, 0);
        fibers_.push_back(std::move(fiber));
    }

    void resume(unsigned i) {
        threadIdx = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
        current_ = fibers_[i].get();
        swapcontext(&scheduler_, &current_->context);
    }

    std::vector<std::unique_ptr<Fiber>> fibers_;
    Fiber* current_ = nullptr;
    ucontext_t scheduler_;
    void (*body_)(const void*) = nullptr;
    const void* data_ = nullptr;
};

// Every block once, in steps that share no factor with their number.
template <class Body>
void run_grid(dim3 grid, dim3 block, const Body& body) {
    gridDim = grid;
    blockDim = block;
    const uint64_t count = uint64_t{grid.x} * grid.y * grid.z;
    uint64_t step = count / 2 + 1;
    while (std::gcd(step, count) != 1) ++step;
    for (uint64_t k = 0, i = count - 1; k < count; ++k, i = (i + step) % count) {
        blockIdx = {static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
                    static_cast<unsigned>(i / grid.x / grid.y)};
        Block::here().run(body);
    }
}

}  // namespace emulate

inline void __syncthreads() { emulate::Block::here().barrier(); }

// ---- the runtime: one device, whose memory is the host's

enum cudaError_t { cudaSuccess, cudaErrorMemoryAllocation = 2, cudaErrorInvalidConfiguration = 9 };
using cudaStream_t = struct emulated_stream*;
using cudaMemPool_t = struct emulated_pool*;

inline const char* cudaGetErrorString(cudaError_t status) {
    return status == cudaErrorMemoryAllocation       ? "out of memory"
           : status == cudaErrorInvalidConfiguration ? "invalid configuration argument"
                                                     : "no error";
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 0, cudaSuccess; }
inline cudaError_t cudaDriverGetVersion(int* version) { return *version = 0, cudaSuccess; }

struct cudaDeviceProp {
    char name[256];
};
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* props, int) {
    std::strcpy(props->name, "emulated on the CPU");
    return cudaSuccess;
}

enum cudaDeviceAttr { cudaDevAttrMemoryPoolsSupported, cudaDevAttrMultiProcessorCount };
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    // PYSAL_EMULATE_POOLS=0: a device without pools
    const char* pools = std::getenv("PYSAL_EMULATE_POOLS");
    *value = attribute == cudaDevAttrMultiProcessorCount ? 2 : !pools || *pools != '0';
    return cudaSuccess;
}

enum cudaMemoryType { cudaMemoryTypeUnregistered, cudaMemoryTypeDevice = 2, cudaMemoryTypeManaged };
struct cudaPointerAttributes {
    cudaMemoryType type;
    int device;
};
inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void*) {
    *attributes = {cudaMemoryTypeDevice, 0};
    return cudaSuccess;
}

enum cudaMemAllocationType { cudaMemAllocationTypePinned = 1 };
enum cudaMemLocationType { cudaMemLocationTypeDevice = 1 };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };
struct cudaMemPoolProps {
    cudaMemAllocationType allocType;
    struct {
        cudaMemLocationType type;
        int id;
    } location;
};
inline cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
    static char only;
    *pool = reinterpret_cast<cudaMemPool_t>(&only);
    return cudaSuccess;
}
inline cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
    return cudaSuccess;
}
inline cudaError_t cudaMalloc(void** data, size_t bytes) {
    *data = std::malloc(bytes);
    if (!*data) return cudaErrorMemoryAllocation;
    std::memset(*data, 0xFF, bytes);
    return cudaSuccess;
}
inline cudaError_t cudaMallocFromPoolAsync(void** data, size_t bytes, cudaMemPool_t, cudaStream_t) {
    return cudaMalloc(data, bytes);
}
inline cudaError_t cudaFree(void* data) { return std::free(data), cudaSuccess; }
inline cudaError_t cudaFreeAsync(void* data, cudaStream_t) { return cudaFree(data); }

template <class Params>
cudaError_t cudaLaunchKernel(void (*kernel)(Params), dim3 grid, dim3 block, void** arguments,
                             size_t, cudaStream_t) {
    const uint64_t threads = uint64_t{block.x} * block.y * block.z;
    const bool fits = grid.x >= 1 && grid.y >= 1 && grid.z >= 1 && grid.x < (1u << 31) &&
                      grid.y < (1u << 16) && grid.z < (1u << 16) && threads >= 1 && threads <= 1024;
    if (!fits) return cudaErrorInvalidConfiguration;
    const Params& params = *static_cast<const Params*>(arguments[0]);
    emulate::run_grid(grid, block, [&] { kernel(params); });
    return cudaSuccess;
}
