// The sentences of a diagnosis that say how many attempts failed, since when,
// and why.

#ifndef UPSTREAM_502_SRC_CORE_ADVICE_SUMMARY_H_
#define UPSTREAM_502_SRC_CORE_ADVICE_SUMMARY_H_

#include <cstddef>
#include <string>

#include "upstream_502/advice/situation.h"

namespace upstream_502 {

// "in the last 8 minutes"
std::string LastMinutes(const Situation& e);

// What is known beyond the cause's name: ", proxy_read_timeout (3s) ran out".
std::string Detail(const Situation& e);

// "mostly read timeout, proxy_read_timeout (3s) ran out"
std::string Reason(const Situation& e);

// "3 of 13 attempts", "the only attempt"
std::string FailedOf(const Situation& e);

// `failing` servers, the first ones, and others answer.
std::string PartialSummary(const Situation& e, size_t failing);
std::string IntermittentSummary(const Situation& e);
std::string OutageSummary(const Situation& e);
std::string RecoveredSummary(const Situation& e);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_CORE_ADVICE_SUMMARY_H_
