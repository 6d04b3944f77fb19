# Compiler flags for the module's C++ objects only: nginx's own CFLAGS also apply to C files, which reject -std=c++17,
# and other modules may have a folder `core` as well, so the objects are listed one by one. PGEVENTS_CXXFLAGS, from the
# environment of configure, adds more (sanitizers, say).

pgevents_objs=
for pgevents_src in $pgevents_srcs
do
    pgevents_dir=`dirname $pgevents_src`
    pgevents_objs="$pgevents_objs $NGX_OBJS/addon/`basename $pgevents_dir`/`basename $pgevents_src .cpp`.$ngx_objext"
done

cat << END >> $NGX_MAKEFILE

$pgevents_objs: CFLAGS += -std=c++17 -fvisibility=hidden -fvisibility-inlines-hidden $PGEVENTS_CXXFLAGS

END
