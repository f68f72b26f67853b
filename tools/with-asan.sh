#!/bin/bash
# Runs tests whose nginx loads a module built with sanitizers:
# with-asan.sh MODULE COMMAND...
#
# nginx itself is not instrumented, so the runtimes are loaded before it; the
# tests put TEST_LD_PRELOAD in front of nginx alone, and look for reports.

set -eu

export TEST_MODULE=$1
shift

TEST_LD_PRELOAD=$(${CC:-cc} -print-file-name=libasan.so)
TEST_LD_PRELOAD="$TEST_LD_PRELOAD $(${CC:-cc} -print-file-name=libubsan.so)"
# The linker resolves throw only when the C++ library is there before it.
TEST_LD_PRELOAD="$TEST_LD_PRELOAD $(${CC:-cc} -print-file-name=libstdc++.so)"
export TEST_LD_PRELOAD
export TEST_NGINX_ASAN=1
# nginx leaves at exit what it wants to: leaks are for valgrind to tell.
export ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0
export UBSAN_OPTIONS=print_stacktrace=1

exec "$@"
