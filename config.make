# Compiler flags for the module's C++ objects only. nginx's own CFLAGS also serve C files, for which -std=c++17 is an
# error. The objects are named one by one, because other modules may have a folder `core` as well. PGEVENTS_CXXFLAGS,
# from the environment of configure, adds flags (sanitizers, for example).

pgevents_objs=
for pgevents_src in $pgevents_srcs
do
    pgevents_dir=`dirname $pgevents_src`
    pgevents_objs="$pgevents_objs $NGX_OBJS/addon/`basename $pgevents_dir`/`basename $pgevents_src .cpp`.$ngx_objext"
done

cat << END >> $NGX_MAKEFILE

$pgevents_objs: CFLAGS += -std=c++17 -fvisibility=hidden -fvisibility-inlines-hidden $PGEVENTS_CXXFLAGS

END
