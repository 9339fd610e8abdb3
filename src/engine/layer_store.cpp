#include "engine/layer_store.hpp"

namespace modalconflict {

LayerStore::LayerStore(const Bundle& bundle, const Weights& weights, ProgramLibrary& library, at::Device device, bool streams)
    : bundle_(bundle), weights_(weights), library_(library), device_(device) {
    const bool bound_when_used = streams && !device.is_cpu();
    for (const auto& layer : bundle.layers) {
        if (streams) ranges_.push_back(weights.mapped(layer.part.prefix));
        if (bound_when_used) {
            layers_.emplace_back();
        } else if (device.is_cpu()) {
            layers_.push_back(library.bind(layer.part, 6));
        } else {
            std::map<std::string, at::Tensor> here;
            for (const auto& name : weights.names(layer.part.prefix)) here.emplace(name, weights.get(name).to(device));
            const Weights overlay(std::move(here));
            layers_.push_back(library.bind(layer.part, 6, &overlay));
        }
    }
    if (!streams) return;
    pinned_.resize(layers_.size());
    queue_ = std::make_unique<PrefetchQueue>([this](std::size_t layer) { load(layer); }, [this](std::size_t layer) { drop(layer); });
}

void LayerStore::load(std::size_t layer) {
    if (device_.is_cpu()) {
        for (const auto& range : ranges_[layer]) fetch_pages(range);
        return;
    }
    std::map<std::string, at::Tensor> pinned;
    for (const auto& name : weights_.names(bundle_.layers[layer].part.prefix)) pinned.emplace(name, weights_.get(name).pin_memory());
    for (const auto& range : ranges_[layer]) release_pages(range);
    const std::lock_guard lock(pinned_mutex_);
    pinned_[layer] = std::move(pinned);
}

void LayerStore::drop(std::size_t layer) {
    if (device_.is_cpu()) {
        for (const auto& range : ranges_[layer]) release_pages(range);
        return;
    }
    layers_[layer] = {};
    const std::lock_guard lock(pinned_mutex_);
    pinned_[layer].clear();
}

const Program& LayerStore::use(std::size_t layer) {
    if (!queue_) return layers_[layer];
    queue_->acquire(layer, layer + 1 < layers_.size() ? std::optional(layer + 1) : std::nullopt);
    if (!device_.is_cpu()) {
        std::map<std::string, at::Tensor> here;
        {
            const std::lock_guard lock(pinned_mutex_);
            for (const auto& [name, tensor] : pinned_[layer]) here.emplace(name, tensor.to(device_, /*non_blocking=*/true));
        }
        const Weights overlay(std::move(here));
        layers_[layer] = library_.bind(bundle_.layers[layer].part, 6, &overlay);
    }
    return layers_[layer];
}

void LayerStore::rest() {
    if (queue_) queue_->clear();
}

}  // namespace modalconflict
