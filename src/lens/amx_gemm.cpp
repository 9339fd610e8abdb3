#include "lens/amx_gemm.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define MODALCONFLICT_AMX 1
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace modalconflict::lens {
namespace {

// To the nearest, ties to even; infinities and NaN keep their kind.
std::uint16_t to_bfloat16(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
    return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

float to_float(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

}  // namespace

SplitRows::SplitRows(const float* hidden, std::int64_t rows, std::int64_t width)
    : blocks_((rows + kBlock - 1) / kBlock), tiles_(static_cast<std::size_t>(blocks_ * kBlock * width * kPieces / 2)) {
    auto* to = reinterpret_cast<std::uint16_t*>(tiles_.data());
    for (std::int64_t step = 0; step < width / kStep; ++step) {
        for (std::int64_t block = 0; block < blocks_; ++block) {
            for (std::int64_t r = 0; r < kBlock; ++r) {
                const std::int64_t row = block * kBlock + r;
                for (std::int64_t k = 0; k < kStep; ++k) {
                    float rest = row < rows ? hidden[row * width + step * kStep + k] : 0.0F;
                    for (std::int64_t piece = 0; piece < kPieces; ++piece) {
                        const std::uint16_t part = to_bfloat16(rest);
                        to[piece * kBlock * kStep + (k / 2 * kBlock + r) * 2 + k % 2] = part;
                        rest -= to_float(part);
                    }
                }
            }
            to += kPieces * kBlock * kStep;
        }
    }
}

#ifdef MODALCONFLICT_AMX

bool amx_available() {
    static const bool available = [] {
        unsigned a = 0, b = 0, c = 0, d = 0;
        constexpr unsigned kBfloat16 = 1U << 22, kTile = 1U << 24;
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kBfloat16) == 0 || (d & kTile) == 0) return false;
        // The kernel reserves room for the tiles when a process asks: ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA.
        constexpr long kRequest = 0x1023, kTileData = 18;
        return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
    }();
    return available;
}

#pragma GCC push_options
#pragma GCC target("amx-tile,amx-bf16,avx512f")

namespace {

struct alignas(64) TileShape {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Steps whose weights, 32 KB, are copied together: in the matrix their rows lie a power of two apart as a rule, where they
// push each other out of the first cache, and a tile's load waits for each of its rows.
constexpr std::int64_t kCopied = 16;
constexpr std::int64_t kTileElements = SplitRows::kBlock * SplitRows::kStep;

// Tiles 0 to 3 are sums: token block (0, 1) times row block (0, 2 further). 4 and 5 are weights, 6 and 7 rows.
template <bool kTwoBlocks>
void add_blocks(const SplitRows& rows, std::int64_t block, const std::uint16_t* w, const char* ahead, std::int64_t ahead_bytes,
                std::int64_t step, std::int64_t steps, float* sums, std::int64_t sums_bytes) {
    constexpr std::int64_t kBlock = SplitRows::kBlock;
    const std::int64_t next_tokens = kBlock * sums_bytes / static_cast<std::int64_t>(sizeof(float));
    _tile_loadd(0, sums, sums_bytes);
    _tile_loadd(1, sums + next_tokens, sums_bytes);
    if constexpr (kTwoBlocks) {
        _tile_loadd(2, sums + kBlock, sums_bytes);
        _tile_loadd(3, sums + next_tokens + kBlock, sums_bytes);
    }
    for (std::int64_t i = 0; i < steps; ++i) {
        if (ahead != nullptr) {
            for (std::int64_t t = 0; t < SplitRows::kTokens; ++t) __builtin_prefetch(ahead + t * ahead_bytes + i * 64, 0, 2);
        }
        _tile_loadd(4, w + i * 2 * kTileElements, 64);
        _tile_loadd(5, w + (i * 2 + 1) * kTileElements, 64);
        for (std::int64_t piece = 0; piece < SplitRows::kPieces; ++piece) {
            _tile_loadd(6, rows.tile(step + i, block, piece), 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 5, 6);
            if constexpr (kTwoBlocks) {
                _tile_loadd(7, rows.tile(step + i, block + 1, piece), 64);
                _tile_dpbf16ps(2, 4, 7);
                _tile_dpbf16ps(3, 5, 7);
            }
        }
    }
    _tile_stored(0, sums, sums_bytes);
    _tile_stored(1, sums + next_tokens, sums_bytes);
    if constexpr (kTwoBlocks) {
        _tile_stored(2, sums + kBlock, sums_bytes);
        _tile_stored(3, sums + next_tokens + kBlock, sums_bytes);
    }
}

}  // namespace

void amx_add(const SplitRows& rows, const std::uint16_t* w, std::int64_t w_stride, const std::uint16_t* ahead, std::int64_t step,
             std::int64_t steps, float* sums, std::int64_t sums_stride) {
    alignas(64) std::uint16_t copied[kCopied * 2 * kTileElements];
    const TileShape shape;
    _tile_loadconfig(&shape);
    const std::int64_t sums_bytes = sums_stride * static_cast<std::int64_t>(sizeof(float));
    for (std::int64_t done = 0; done < steps; done += kCopied) {
        const std::int64_t here = steps - done < kCopied ? steps - done : kCopied;
        for (std::int64_t t = 0; t < SplitRows::kTokens; ++t) {
            const std::uint16_t* from = w + t * w_stride + done * SplitRows::kStep;
            std::uint16_t* to = copied + t * SplitRows::kStep;
            for (std::int64_t i = 0; i < here; ++i) {
                std::memcpy(to + i * 2 * kTileElements, from + i * SplitRows::kStep, 64);
            }
        }
        const char* next = ahead == nullptr ? nullptr : reinterpret_cast<const char*>(ahead + done * SplitRows::kStep);
        for (std::int64_t block = 0; block < rows.blocks(); block += 2) {
            float* place = sums + block * SplitRows::kBlock;
            if (block + 1 < rows.blocks()) {
                add_blocks<true>(rows, block, copied, next, w_stride * 2, step + done, here, place, sums_bytes);
            } else {
                add_blocks<false>(rows, block, copied, next, w_stride * 2, step + done, here, place, sums_bytes);
            }
            next = nullptr;
        }
    }
    _tile_release();
}

#pragma GCC pop_options
#else

bool amx_available() { return false; }

void amx_add(const SplitRows&, const std::uint16_t*, std::int64_t, const std::uint16_t*, std::int64_t, std::int64_t, float*,
             std::int64_t) {}

#endif

}  // namespace modalconflict::lens
