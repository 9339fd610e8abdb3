# modalconflict_add_library(core SOURCES_FROM core): library modalconflict_core, alias modalconflict::core.
function(modalconflict_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES_FROM" ${ARGN})
  set(sources)
  foreach(folder IN LISTS ARG_SOURCES_FROM)
    file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${folder}/*.cpp)
    list(APPEND sources ${found})
  endforeach()
  set(target modalconflict_${name})
  add_library(${target} STATIC ${sources})
  add_library(modalconflict::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} OUTPUT_NAME modalconflict_${name}
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  modalconflict_set_warnings(${target})
endfunction()
