#pragma once

#include <modalconflict/engine/hook.hpp>

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

namespace modalconflict::bindings {

/// A hook that calls function(layer, runs, lengths, hidden) with the state as a torch tensor over the same memory,
/// and takes a tensor it returns as the new state. Kept in a source of its own: the only one that needs torch's
/// Python headers.
[[nodiscard]] Hook python_hook(const pybind11::object& function, std::vector<std::int64_t> layers,
                               const std::string& positions, std::vector<std::int64_t> listed, bool generated);

}  // namespace modalconflict::bindings
