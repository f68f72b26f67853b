// The JSON of one event, and of one request for the access log.

#ifndef UPSTREAM_502_REPORT_JSON_EVENT_H_
#define UPSTREAM_502_REPORT_JSON_EVENT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "upstream_502/store/event.h"
#include "upstream_502/words/cause.h"

namespace upstream_502 {

// One event as the object of the status location's `events`; with a member
// `type` in front where one is given.
void AppendEventJson(const Event& event, std::string* out,
                     absl::string_view type = "");

// One request with a failed attempt or a gateway response.
struct RequestReport {
  bool gateway = false;
  Origin origin = Origin::kConfig;  // of a gateway response
  absl::string_view causes = "";    // as $upstream_502_causes
  uint32_t attempts = 0;
  uint32_t failures = 0;
  int client_status = 0;
  const Event* event = nullptr;  // its last failed attempt; nullptr: none
};

// `$upstream_502_json`: what the other variables say, and all fields of the
// last failed attempt under the names they have on the status page.
std::string RequestJson(const RequestReport& request);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_JSON_EVENT_H_
