# Compiler flags for the module's C++ objects only: nginx's own CFLAGS also serve C files, which refuse -std=c++17.
# $(OBJS) names differ between static and dynamic builds only by directory, so both leaf folders are covered.

cat << END >> $NGX_MAKEFILE

$NGX_OBJS/addon/core/%.o $NGX_OBJS/addon/ngx_module/%.o: \
	CFLAGS += -std=c++17 -fvisibility=hidden -fvisibility-inlines-hidden -Wextra

END
