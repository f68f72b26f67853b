// The way of a failed attempt in one piece: calls from file to file would cost
// each failure some five hundred instructions. Link-time optimization does the
// same for some compilers only, and takes minutes.

#include "ngx_cxx.h"

#include "core/advice/limit.cc"
#include "core/store/incidents.cc"
#include "core/store/slot.cc"
#include "core/store/store.cc"
#include "core/verdict/classify.cc"
#include "core/verdict/log_line.cc"
#include "core/verdict/memo.cc"
#include "core/verdict/outcome.cc"
#include "nginx/account.cc"
#include "nginx/capture.cc"
#include "nginx/context.cc"
#include "nginx/finish.cc"
#include "nginx/hooks.cc"
#include "nginx/measure.cc"
#include "nginx/outcome.cc"
#include "nginx/probe.cc"
#include "nginx/retry.cc"
#include "nginx/run.cc"
#include "system/budget.cc"
