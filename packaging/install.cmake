# What `cmake --install` installs: the fallback, its units, the schema with its command, man pages, documentation,
# examples, and the nginx module, if PGEVENTS_MODULE names the file that ngx_module/build.sh has built. Included by
# CMakeLists.txt.
#   cmake --install build/release [--prefix DIR] [--component module|fallback|schema|doc]
# DESTDIR is respected. pgevents-schema finds its files from its own place; the units name the prefix, so they are
# written when it is known. All users can read what is installed, whatever the umask is.
include(GNUInstallDirs)

# The first step of each component. The prefix becomes absolute, because the units name it, and the code below must find
# the same folder as CMake. Missing folders are made here, because CMake makes them as the umask is.
function(install_places component)
  set(make_places [[
    if(NOT CMAKE_INSTALL_PREFIX STREQUAL "") # which is the root
      get_filename_component(CMAKE_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}" ABSOLUTE)
    endif()
    foreach(place @ARGN@)
      if(NOT IS_ABSOLUTE "${place}")
        set(place "${CMAKE_INSTALL_PREFIX}/${place}")
      endif()
      execute_process(COMMAND sh -c "umask 022 && mkdir -p -- \"$1\"" sh "$ENV{DESTDIR}${place}" RESULT_VARIABLE status)
      if(NOT status EQUAL 0)
        message(FATAL_ERROR "cannot make the folder $ENV{DESTDIR}${place}")
      endif()
    endforeach()
  ]])
  string(CONFIGURE "${make_places}" make_places @ONLY)
  install(CODE "${make_places}" COMPONENT ${component})
endfunction()

set(PGEVENTS_MODULE "" CACHE FILEPATH "ngx_http_pgevents_module.so, to install it too")
set(PGEVENTS_NGINX_MODULES_DIR "${CMAKE_INSTALL_LIBDIR}/nginx/modules" CACHE STRING "where nginx looks for modules")

if(PGEVENTS_MODULE)
  install_places(module ${PGEVENTS_NGINX_MODULES_DIR})
  install(FILES ${PGEVENTS_MODULE} DESTINATION ${PGEVENTS_NGINX_MODULES_DIR} COMPONENT module)
endif()

install_places(fallback ${CMAKE_INSTALL_BINDIR} ${CMAKE_INSTALL_MANDIR}/man1 lib/sysusers.d lib/systemd/system)
set(PGEVENTS_FCGI "" CACHE FILEPATH "pgevents-fcgi, to install this file instead of the one built here")
if(PGEVENTS_FCGI)
  install(PROGRAMS ${PGEVENTS_FCGI} DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT fallback)
else()
  install(TARGETS pgevents-fcgi RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT fallback)
endif()
install(FILES packaging/pgevents-fcgi.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT fallback)
install(FILES packaging/pgevents-fcgi.sysusers DESTINATION lib/sysusers.d RENAME pgevents-fcgi.conf COMPONENT fallback)
# They are copied for the modes of a file that CMake installs, and then written.
set(write_units [[
  set(place "${CMAKE_INSTALL_PREFIX}/lib/systemd/system")
  foreach(unit pgevents-fcgi.service pgevents-fcgi.socket)
    file(INSTALL "@PROJECT_SOURCE_DIR@/conf/systemd/${unit}" DESTINATION "${place}")
    file(READ "@PROJECT_SOURCE_DIR@/conf/systemd/${unit}" text)
    string(REPLACE "/usr/local/bin/pgevents-fcgi" "${CMAKE_INSTALL_PREFIX}/@CMAKE_INSTALL_BINDIR@/pgevents-fcgi"
      text "${text}")
    file(WRITE "$ENV{DESTDIR}${place}/${unit}" "${text}")
  endforeach()
]])
string(CONFIGURE "${write_units}" write_units @ONLY)
install(CODE "${write_units}" COMPONENT fallback)

set(schema_dir ${CMAKE_INSTALL_DATADIR}/pgevents/sql)
install_places(schema ${CMAKE_INSTALL_BINDIR} ${CMAKE_INSTALL_MANDIR}/man1 ${schema_dir})
install(DIRECTORY sql/ DESTINATION ${schema_dir} COMPONENT schema)
install(PROGRAMS packaging/pgevents-schema DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT schema)
install(FILES packaging/pgevents-schema.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT schema)

# The pages find each other, and the examples, by the same relative links as here: conf is a link to the examples.
install_places(doc ${CMAKE_INSTALL_DOCDIR}/client)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs COMPONENT doc)
install(FILES README.md CHANGELOG.md CONTRIBUTING.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT doc)
install(FILES client/README.md client/howto.md client/api.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/client COMPONENT doc)
install(DIRECTORY containers DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT doc)
install(DIRECTORY conf/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT doc)
install(CODE "
  set(doc \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}\")
  file(CREATE_LINK examples \"\${doc}/conf\" SYMBOLIC)
  execute_process(
    COMMAND sh \"${PROJECT_SOURCE_DIR}/packaging/split-examples.sh\" \"${PROJECT_SOURCE_DIR}/conf\" \"\${doc}/examples\"
    RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR \"packaging/split-examples.sh failed\")
  endif()" COMPONENT doc)
