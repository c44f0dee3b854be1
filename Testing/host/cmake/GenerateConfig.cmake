# Slicer refuses an extension without these.
foreach(_field HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if(NOT DEFINED EXTENSION_${_field})
    message(FATAL_ERROR "EXTENSION_${_field} is not set")
  endif()
endforeach()
