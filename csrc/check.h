// Errors of the native layer: the last check before pointers are read.
#pragma once

#include <stdexcept>
#include <string>

#define PYSAL_CHECK(condition, message)                                               \
    do {                                                                              \
        if (!(condition)) {                                                           \
            throw std::invalid_argument(std::string("pysal._kernels: ") + (message)); \
        }                                                                             \
    } while (0)
