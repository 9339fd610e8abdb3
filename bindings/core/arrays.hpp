#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace modalconflict::bindings {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

/// The numbers of an array, however many axes it has.
template <class T>
std::span<const T> view(const Array<T>& array) {
    return {array.data(), static_cast<std::size_t>(array.size())};
}

/// Hands a vector's memory over to Python without a copy.
template <class T>
py::array_t<T> to_array(std::vector<T> values) {
    auto* kept = new std::vector<T>(std::move(values));
    const py::capsule owner(kept, [](void* pointer) { delete static_cast<std::vector<T>*>(pointer); });
    return py::array_t<T>(static_cast<py::ssize_t>(kept->size()), kept->data(), owner);
}

/// Runs C++ work with the interpreter's lock released.
template <class Work>
auto unlocked(Work&& work) {
    const py::gil_scoped_release release;
    return std::forward<Work>(work)();
}

}  // namespace modalconflict::bindings
