#include "cpu/parallel.h"

#include <algorithm>

#include "kernels.h"

#if defined(_OPENMP) && !defined(_WIN32)
#include <unistd.h>

#include <atomic>
#endif

namespace pysal {

int max_threads() {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

#if defined(_OPENMP) && !defined(_WIN32)
// A runtime that has started threads waits for them for ever in a forked child.
static bool forked_after_team() {
    static std::atomic<long> owner{0};
    long expected = 0;
    const long self = getpid();
    return !owner.compare_exchange_strong(expected, self) && expected != self;
}
#else
static bool forked_after_team() { return false; }
#endif

int team_size(int threads, int64_t tasks) {
    if (threads == 1 || tasks <= 1) return 1;
    const int64_t wanted = threads > 0 ? threads : max_threads();
    const int team = static_cast<int>(std::min(wanted, tasks));
    return team > 1 && !forked_after_team() ? team : 1;
}

}  // namespace pysal
