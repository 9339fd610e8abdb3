# Warnings apply to our own code only; MODALCONFLICT_WARNINGS_AS_ERRORS is on in every preset that CI uses.
function(modalconflict_set_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion)
  if(MODALCONFLICT_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
