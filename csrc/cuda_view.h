// Arrays of other libraries on the device: what pysal/kernels/cuda.py reads from their interfaces,
// or what a DLPack capsule says.
#pragma once

#include <cuda_runtime.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dlpack.h"
#include "launch.h"

namespace pysal::cuda {

using Sizes = std::vector<int64_t>;

struct View {
    uintptr_t pointer = 0;
    Sizes shape, strides;  // in elements
    std::string dtype;
    bool readonly = false;
    int device = -1;              // -1: an empty array, which is on any
    std::shared_ptr<void> owner;  // of a capsule's memory

    bool empty() const { return std::find(shape.begin(), shape.end(), 0) != shape.end(); }
};

inline Sizes c_strides(const Sizes& shape) {
    Sizes strides(shape.size());
    int64_t step = 1;
    for (size_t axis = shape.size(); axis-- > 0; step *= shape[axis]) strides[axis] = step;
    return strides;
}

// The device that memory is on.
inline int device_of(uintptr_t pointer) {
    cudaPointerAttributes attributes = {};
    check(cudaPointerGetAttributes(&attributes, reinterpret_cast<const void*>(pointer)), "View");
    require(attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged,
            "View", "the memory is not on a CUDA device");
    return attributes.device;
}

inline View make_view(uintptr_t pointer, Sizes shape, std::optional<Sizes> strides,
                      std::string dtype, bool readonly, int device) {
    View view;
    for (const int64_t size : shape) require(size >= 0, "View", "a size is negative");
    require(!strides || strides->size() == shape.size(), "View",
            "strides must be as many as sizes");
    view.pointer = pointer;
    view.strides = strides ? std::move(*strides) : c_strides(shape);
    view.shape = std::move(shape);
    view.dtype = std::move(dtype);
    view.readonly = readonly;
    require(view.empty() || pointer != 0, "View", "the pointer is null");
    view.device = device >= 0 || view.empty() ? device : device_of(pointer);
    return view;
}

inline std::string dtype_name(const dlpack::Tensor& tensor) {
    const char* kind = tensor.code == dlpack::kFloat     ? "float"
                       : tensor.code == dlpack::kInt     ? "int"
                       : tensor.code == dlpack::kUInt    ? "uint"
                       : tensor.code == dlpack::kBfloat  ? "bfloat"
                       : tensor.code == dlpack::kComplex ? "complex"
                       : tensor.code == dlpack::kBool    ? "bool"
                                                         : "type";
    const std::string lanes = tensor.lanes == 1 ? "" : "x" + std::to_string(tensor.lanes);
    return kind + std::to_string(tensor.bits) + lanes;
}

inline bool on_device(int32_t device_type) {
#ifdef PYSAL_EMULATED
    if (device_type == dlpack::kCpu) return true;
#endif
    return device_type == dlpack::kCuda || device_type == dlpack::kCudaManaged;
}

inline View view_of(const dlpack::Tensor& tensor, bool readonly) {
    require(on_device(tensor.device_type), "open_dlpack", "the tensor is not on a CUDA device");
    const Sizes shape(tensor.shape, tensor.shape + tensor.ndim);
    std::optional<Sizes> strides;
    if (tensor.strides) strides.emplace(tensor.strides, tensor.strides + tensor.ndim);
    const auto start = reinterpret_cast<uintptr_t>(tensor.data);
    return make_view(start ? start + tensor.byte_offset : 0, shape, std::move(strides),
                     dtype_name(tensor), readonly, tensor.device_id);
}

// Takes over the tensor of a capsule: its deleter is called when the view is gone.
template <class Managed>
View take_capsule(const pybind11::capsule& capsule, const char* used_name) {
    auto* managed = capsule.get_pointer<Managed>();
    bool readonly = false;
    if constexpr (std::is_same_v<Managed, dlpack::ManagedVersioned>) {
        require(managed->major == dlpack::kMajor, "open_dlpack", "an unknown version of DLPack");
        readonly = (managed->flags & dlpack::kReadOnly) != 0;
    }
    View view = view_of(managed->tensor, readonly);
    if (PyCapsule_SetName(capsule.ptr(), used_name) != 0) throw pybind11::error_already_set();
    view.owner = std::shared_ptr<void>(managed, [](void* taken) {
        auto* tensor = static_cast<Managed*>(taken);
        if (tensor->deleter) tensor->deleter(tensor);
    });
    return view;
}

inline View open_dlpack(const pybind11::capsule& capsule) {
    const char* name = capsule.name();
    require(name != nullptr, "open_dlpack", "the capsule has no name");
    if (std::strcmp(name, "dltensor") == 0) {
        return take_capsule<dlpack::Managed>(capsule, "used_dltensor");
    }
    require(std::strcmp(name, "dltensor_versioned") == 0, "open_dlpack",
            "the capsule holds no tensor, or one that has been taken");
    return take_capsule<dlpack::ManagedVersioned>(capsule, "used_dltensor_versioned");
}

}  // namespace pysal::cuda
