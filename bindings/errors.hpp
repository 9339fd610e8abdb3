#pragma once

#include <modalconflict/error.hpp>

#include <pybind11/pybind11.h>

namespace modalconflict::bindings {

/// Our exceptions become the ones that python/modalconflict/errors.py defines: every extension module calls
/// this once. The classes live in Python so that three modules share them. InvalidArgument is a ValueError
/// already, by pybind11's own translation of std::invalid_argument.
inline void register_errors() {
    pybind11::register_local_exception_translator([](std::exception_ptr pointer) {
        const auto set = [](const char* name, const std::exception& error) {
            const auto type = pybind11::module_::import("modalconflict.errors").attr(name);
            pybind11::set_error(type, error.what());
        };
        try {
            if (pointer) std::rethrow_exception(pointer);
        } catch (const InvalidArgument& error) {
            set("InvalidArgument", error);
        } catch (const IoError& error) {
            set("IoError", error);
        } catch (const ModelError& error) {
            set("ModelError", error);
        }
    });
}

}  // namespace modalconflict::bindings
