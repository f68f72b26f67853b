# The page's header, and C++ flags object by object: nginx's own C files must not see them. nginx's
# headers become system headers, since our warnings are not theirs to pass. A
# compiler newer than this module may warn of more: that is no error, unless
# UPSTREAM_502_WERROR=-Werror says so.

cat << END                                                    >> $NGX_MAKEFILE

UPSTREAM_502_FLAGS = -std=c++20 -fvisibility=hidden -Wall -Wextra -Wpedantic \\
	-Wshadow -Wconversion -Wsign-conversion ${UPSTREAM_502_WERROR:--Wno-error} \\
	-I$ngx_addon_dir/include -I$ngx_addon_dir/src -I$NGX_OBJS/addon \\
	${UPSTREAM_502_LONG_WAY:+-DUPSTREAM_502_LONG_WAY} \\
	-DUPSTREAM_502_VERSION=\"$upstream_502_version\"
UPSTREAM_502_INCS := \$(patsubst -I,-isystem,\$(ALL_INCS))

END

for upstream_502_src in $upstream_502_srcs
do
    upstream_502_obj=`basename \`dirname $upstream_502_src\``
    upstream_502_obj=$upstream_502_obj/`basename $upstream_502_src .cc`
    upstream_502_obj=$NGX_OBJS/addon/$upstream_502_obj.$ngx_objext

    cat << END                                                >> $NGX_MAKEFILE
$upstream_502_obj: CFLAGS += \$(UPSTREAM_502_FLAGS)
$upstream_502_obj: ALL_INCS = \$(UPSTREAM_502_INCS)
END

done

# The page is data of one source file, others are parts of one.
cat << END                                                    >> $NGX_MAKEFILE
$NGX_OBJS/addon/nginx/failing.$ngx_objext: `echo $upstream_502_parts`

$NGX_OBJS/addon/report/html.$ngx_objext: $NGX_OBJS/addon/page_data.h

$NGX_OBJS/addon/page_data.h: $ngx_addon_dir/src/web/*
	sh $ngx_addon_dir/src/web/embed.sh > \$@.new
	mv \$@.new \$@

END
