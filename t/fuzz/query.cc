// What a client asks the status location: arguments, Accept, Host, Origin and
// Last-Event-ID.
//
// The input is a line for each of these, arguments first.

#include "upstream_502/report/query.h"

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "input.h"
#include "read_all.h"
#include "report/sample.h"
#include "upstream_502/report/html.h"
#include "upstream_502/report/local.h"
#include "upstream_502/report/negotiate.h"

namespace upstream_502 {
namespace {

void Negotiate(Format query, absl::string_view accept) {
  for (const Format directive :
       {Format::kAuto, Format::kJson, Format::kPrometheus}) {
    const Format chosen = ChooseFormat(directive, query, accept);
    REQUIRE(chosen != Format::kAuto);
    REQUIRE(!ContentType(chosen).empty());
    const auto followed = ChooseFollowFormat(directive, query, accept);
    REQUIRE(followed.has_value() == (directive != Format::kPrometheus));
    REQUIRE(!followed || !ContentType(*followed).empty());
  }
}

void Locate(absl::string_view host, absl::string_view origin) {
  const Authority authority = SplitAuthority(host);
  REQUIRE(authority.host.size() + authority.port.size() <= host.size());
  IsIpAddress(authority.host);
  IsLocalhost(authority.host);
  IsHostname(authority.host, "www.example.com");
  MatchesServerName(authority.host, "*.example.com");
  MatchesServerName("www.example.com", authority.host);
  IsSameOrigin(origin, host);
}

}  // namespace
}  // namespace upstream_502

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace upstream_502;
  Input input(data, size);
  const absl::string_view args = input.Line();
  const absl::string_view accept = input.Line();
  const absl::string_view host = input.Line();
  const absl::string_view origin = input.Line();
  const absl::StatusOr<Query> query = ParseQuery(args, input.Line());
  Locate(host, origin);
  Negotiate(query.ok() ? query->format : Format::kAuto, accept);
  if (!query.ok()) {
    const absl::string_view why = query.status().message();
    REQUIRE(!why.empty() && IsPrintableText(why));
    return 0;
  }
  REQUIRE(query->follow || !query->resume);
  REQUIRE(!query->follow || query->since == 0);
  static const Report* const kSample = new Report(SampleReport());
  Excerpt excerpt(*kSample, *query);
  while (excerpt.Choose(SIZE_MAX)) {
  }
  REQUIRE(excerpt.events() <= query->limit + 1);
  RenderInAllFormats(excerpt);
  const std::string page = RenderAll(*MakeHtmlRenderer(excerpt));
  REQUIRE(page.find('\0') == std::string::npos);
  return 0;
}
