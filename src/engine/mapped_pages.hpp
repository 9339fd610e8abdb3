#pragma once

#include <cstddef>

namespace modalconflict {

/// Bytes of a mapped file.
struct MappedRange {
    const void* data = nullptr;
    std::size_t bytes = 0;
};

/// Bring a range's pages into memory, reading them from the file where they are not cached.
void fetch_pages(const MappedRange& range);

/// Let go of a range's pages: they no longer count as this process's memory and come back from the file when they are
/// touched. Only for ranges that nobody has written to.
void release_pages(const MappedRange& range);

}  // namespace modalconflict
