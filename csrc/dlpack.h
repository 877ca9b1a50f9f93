// DLPack, as far as it is needed to read tensors of other libraries: the memory layout of its
// structures, version 1 and the older unversioned form (https://dmlc.github.io/dlpack).
#pragma once

#include <cstdint>

namespace pysal::dlpack {

constexpr int32_t kCpu = 1, kCuda = 2, kCudaManaged = 13;  // device types
constexpr uint8_t kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kComplex = 5, kBool = 6;
constexpr uint64_t kReadOnly = 1;  // flag
constexpr uint32_t kMajor = 1;

struct Tensor {
    void* data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t* shape;
    int64_t* strides;  // in elements; null: C order
    uint64_t byte_offset;
};

struct Managed {
    Tensor tensor;
    void* context;
    void (*deleter)(Managed*);
};

struct ManagedVersioned {
    uint32_t major, minor;
    void* context;
    void (*deleter)(ManagedVersioned*);
    uint64_t flags;
    Tensor tensor;
};

static_assert(sizeof(void*) != 8 ||
                  (sizeof(Tensor) == 48 && sizeof(Managed) == 64 && sizeof(ManagedVersioned) == 80),
              "the layout is that of the standard");

}  // namespace pysal::dlpack
