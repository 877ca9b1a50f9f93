// Loops over independent tasks, and loops compiled for several instruction sets.
#pragma once

#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif

// Leaf loops are compiled for AVX-512, AVX2 and the baseline, and picked when the module loads.
// Only there, never on a function with an OpenMP region: compilers do not clone its outlined body.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    __GNUC__ >= 12
#define PYSAL_X86_CLONES
#define PYSAL_SIMD __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define PYSAL_SIMD
#endif

#if defined(__GNUC__)
#define PYSAL_INLINE inline __attribute__((always_inline))
#else
#define PYSAL_INLINE inline
#endif

namespace pysal {

// Threads to use for `tasks` tasks; 1 in a fork of a process whose teams did not survive the fork.
int team_size(int threads, int64_t tasks);

template <class Body>
void parallel_for(int64_t tasks, int threads, const Body& body) {
#ifdef _OPENMP
    const int team = team_size(threads, tasks);
    if (team > 1) {
#pragma omp parallel for schedule(dynamic) num_threads(team)
        for (int64_t task = 0; task < tasks; ++task) body(task);
        return;
    }
#endif
    for (int64_t task = 0; task < tasks; ++task) body(task);
}

}  // namespace pysal
