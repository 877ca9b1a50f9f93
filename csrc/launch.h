// What all CUDA kernels share on the host: checked calls, launches, the device of a call, scratch.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace pysal::cuda {

inline std::string message(const char* where, const std::string& what) {
    return std::string("pysal._cuda: ") + where + ": " + what;
}

inline void check(cudaError_t status, const char* where) {
    if (status == cudaSuccess) return;
    cudaGetLastError();  // a next call must not report this error again
    throw std::runtime_error(message(where, cudaGetErrorString(status)));
}

// The last check before pointers are read; ValueError in Python.
inline void require(bool condition, const char* where, const char* what) {
    if (!condition) throw std::invalid_argument(message(where, what));
}

// All parameters travel by value: a launch copies nothing, waits for nothing, and can be recorded
// in a CUDA graph. 4 KB is what every driver takes.
template <class Params>
void launch(const char* where, void (*kernel)(Params), dim3 grid, dim3 block, cudaStream_t stream,
            Params params) {
    static_assert(sizeof(Params) <= 4096, "split the launch: kernel parameters end at 4 KB");
    void* arguments[] = {&params};
    check(cudaLaunchKernel(kernel, grid, block, arguments, 0, stream), where);
}

// Makes a device current, and the former one again.
class DeviceGuard {
  public:
    DeviceGuard(int device, const char* where) : device_(device) {
        check(cudaGetDevice(&former_), where);
        if (former_ != device_) check(cudaSetDevice(device_), where);
    }
    ~DeviceGuard() {
        if (former_ != device_) cudaSetDevice(former_);
    }
    DeviceGuard(const DeviceGuard&) = delete;
    DeviceGuard& operator=(const DeviceGuard&) = delete;

  private:
    int device_, former_ = 0;
};

// Memory of the current device, handed out and taken back in the order of the stream, from a pool
// of this library's own that keeps what it has: after the first call nobody waits for the driver.
class Scratch {
  public:
    Scratch(size_t bytes, const char* where, cudaStream_t stream);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    template <class T>
    T* as() const {
        return static_cast<T*>(data_);
    }

  private:
    void* data_ = nullptr;
    cudaStream_t stream_;
    bool pooled_ = false;
};

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Images that one launch takes: the limit of a grid's y and z axes is 65535.
constexpr int64_t kImagesPerLaunch = 32768;

}  // namespace pysal::cuda
