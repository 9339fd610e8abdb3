#pragma once

#include "core/prefetch_queue.hpp"
#include "engine/programs.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace modalconflict {

/// The decoder's layers as callable programs: all of them in memory, or read from their files one after the other,
/// the next one while the present one works.
///
/// On the CPU a streamed layer's weights are pages of the mapped files, fetched before their use and let go after it.
/// On another device the thread in the background copies them from the files into pinned memory, from where they go to the device.
class LayerStore {
public:
    LayerStore(const Bundle& bundle, const Weights& weights, ProgramLibrary& library, at::Device device, bool streams);

    [[nodiscard]] std::size_t size() const { return layers_.size(); }

    /// The layer, until the next call; the one after it is then on its way.
    [[nodiscard]] const Program& use(std::size_t layer);

    /// Let go of what is streamed, after a walk.
    void rest();

private:
    void load(std::size_t layer);
    void drop(std::size_t layer);

    const Bundle& bundle_;
    const Weights& weights_;
    ProgramLibrary& library_;
    at::Device device_;
    std::vector<Program> layers_;
    std::vector<std::vector<MappedRange>> ranges_;
    std::mutex pinned_mutex_;
    std::vector<std::map<std::string, at::Tensor>> pinned_;  // a layer's weights, for another device than the CPU
    std::unique_ptr<PrefetchQueue> queue_;                   // last: its thread uses the above
};

}  // namespace modalconflict
