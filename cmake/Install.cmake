include(CMakePackageConfigHelpers)
set(_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/modalconflict)
set(_components core)
if(MODALCONFLICT_BUILD_DATASET)
  list(APPEND _components dataset)
endif()
if(MODALCONFLICT_BUILD_LENS)
  list(APPEND _components lens)
endif()
foreach(component IN LISTS _components)
  # One export file a component, so that find_package(COMPONENTS core) never looks for torch or OpenCV.
  install(TARGETS modalconflict_${component} EXPORT modalconflict-${component}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT modalconflict-${component} NAMESPACE modalconflict::
    FILE modalconflict-${component}.cmake DESTINATION ${_config_dir})
endforeach()
install(FILES include/modalconflict/error.hpp include/modalconflict/log.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/modalconflict)
set(_header_folders core)
if(MODALCONFLICT_BUILD_DATASET)
  list(APPEND _header_folders dataset)
endif()
if(MODALCONFLICT_BUILD_LENS)
  list(APPEND _header_folders engine lens)
endif()
foreach(folder IN LISTS _header_folders)
  install(DIRECTORY include/modalconflict/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/modalconflict
    FILES_MATCHING PATTERN "*.hpp")
endforeach()
configure_package_config_file(cmake/modalconflictConfig.cmake.in ${PROJECT_BINARY_DIR}/modalconflictConfig.cmake
  INSTALL_DESTINATION ${_config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/modalconflictConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/modalconflictConfig.cmake ${PROJECT_BINARY_DIR}/modalconflictConfigVersion.cmake
  DESTINATION ${_config_dir})
install(FILES cmake/FindTorchInPython.cmake DESTINATION ${_config_dir})
