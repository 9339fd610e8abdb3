# LibTorch comes with the torch wheel. Its own TorchConfig.cmake insists on the CUDA toolkit when the wheel
# was built with CUDA and sets global flags; an interface target with headers and libraries as SYSTEM keeps
# our warnings ours. A LibTorch unpacked elsewhere is named by -DMODALCONFLICT_TORCH_DIR=/path/to/libtorch.
set(MODALCONFLICT_TORCH_DIR "" CACHE PATH "Folder with LibTorch's include/ and lib/; empty: the torch of the Python found")
if(NOT MODALCONFLICT_TORCH_DIR)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c "import importlib.util as u, os; print(os.path.dirname(u.find_spec('torch').origin), end='')"
    OUTPUT_VARIABLE _torch_dir RESULT_VARIABLE _torch_result ERROR_QUIET)
  if(NOT _torch_result EQUAL 0)
    message(FATAL_ERROR "modalconflict: ${Python_EXECUTABLE} has no torch; install it "
      "(pip install 'torch>=2.13,<2.14'), name a LibTorch by -DMODALCONFLICT_TORCH_DIR=DIR, "
      "or build without the lens (-DMODALCONFLICT_BUILD_LENS=OFF)")
  endif()
  set(_torch_root ${_torch_dir})
else()
  set(_torch_root ${MODALCONFLICT_TORCH_DIR})
endif()
file(STRINGS ${_torch_root}/include/torch/headeronly/version.h _torch_version REGEX "\"[0-9.]+\"")
string(REGEX MATCH "[0-9.]+" MODALCONFLICT_TORCH_VERSION "${_torch_version}")
find_library(MODALCONFLICT_TORCH_LIBRARY torch PATHS ${_torch_root}/lib NO_DEFAULT_PATH REQUIRED)
find_library(MODALCONFLICT_TORCH_CPU_LIBRARY torch_cpu PATHS ${_torch_root}/lib NO_DEFAULT_PATH REQUIRED)
find_library(MODALCONFLICT_C10_LIBRARY c10 PATHS ${_torch_root}/lib NO_DEFAULT_PATH REQUIRED)
# Only the Python module needs it, to hand tensors across the border without a copy.
find_library(MODALCONFLICT_TORCH_PYTHON_LIBRARY torch_python PATHS ${_torch_root}/lib NO_DEFAULT_PATH)
if(NOT TARGET modalconflict_torch)
  add_library(modalconflict_torch INTERFACE IMPORTED GLOBAL)
  target_include_directories(modalconflict_torch SYSTEM INTERFACE
    ${_torch_root}/include ${_torch_root}/include/torch/csrc/api/include)
  target_link_libraries(modalconflict_torch INTERFACE
    ${MODALCONFLICT_TORCH_LIBRARY} ${MODALCONFLICT_TORCH_CPU_LIBRARY} ${MODALCONFLICT_C10_LIBRARY})
endif()
