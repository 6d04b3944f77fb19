# Compiler flags for the module's C++ objects only: nginx's own CFLAGS also serve C files, which refuse -std=c++17.
# PGEVENTS_CXXFLAGS, from the environment of configure, adds more (sanitizers, say).

cat << END >> $NGX_MAKEFILE

$NGX_OBJS/addon/core/%.o $NGX_OBJS/addon/ngx_module/%.o: \
	CFLAGS += -std=c++17 -fvisibility=hidden -fvisibility-inlines-hidden -Wextra $PGEVENTS_CXXFLAGS

END
