#include "engine/mapped_pages.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace modalconflict {
namespace {

// Between chunks other threads get their turn at the process's memory map.
constexpr std::size_t kChunk = std::size_t{4} << 20U;

#ifdef MADV_POPULATE_READ
constexpr int kPopulate = MADV_POPULATE_READ;
#else
constexpr int kPopulate = 22;  // Linux 5.14; headers may be older than the kernel
#endif

std::size_t page_size() {
    static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

struct Pages {
    char* begin;
    char* end;
};

// Whole pages; those at the ends may hold a neighbour's bytes too, which come back like the rest.
Pages pages_of(const MappedRange& range) {
    const auto first = reinterpret_cast<std::uintptr_t>(range.data) / page_size() * page_size();
    const auto last = (reinterpret_cast<std::uintptr_t>(range.data) + range.bytes + page_size() - 1) / page_size() * page_size();
    return {reinterpret_cast<char*>(first), reinterpret_cast<char*>(last)};
}

}  // namespace

void fetch_pages(const MappedRange& range) {
    if (range.bytes == 0) return;
    const auto pages = pages_of(range);
    ::madvise(pages.begin, static_cast<std::size_t>(pages.end - pages.begin), MADV_WILLNEED);
    for (char* chunk = pages.begin; chunk < pages.end; chunk += kChunk) {
        const auto bytes = std::min(kChunk, static_cast<std::size_t>(pages.end - chunk));
        if (::madvise(chunk, bytes, kPopulate) == 0) continue;
        // A kernel before 5.14: a read of each page does the same.
        for (std::size_t offset = 0; offset < bytes; offset += page_size()) {
            static_cast<void>(*static_cast<const volatile char*>(chunk + offset));
        }
    }
}

void release_pages(const MappedRange& range) {
    if (range.bytes == 0) return;
    const auto pages = pages_of(range);
    ::madvise(pages.begin, static_cast<std::size_t>(pages.end - pages.begin), MADV_DONTNEED);
}

}  // namespace modalconflict
