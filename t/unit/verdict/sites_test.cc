// Every row of t/sites.tsv is classified from its exact message, in the state
// the attempt has there, for every errno that the message may end with.

#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "upstream_502/verdict/classify.h"

namespace upstream_502 {
namespace {

// The states of the column of that name.
const std::map<std::string, Attempt>& States() {
  Attempt connecting = {.status = 502, .rc = 502};
  Attempt unix = connecting;
  unix.unix_socket = true;
  Attempt tls_connecting = connecting;
  tls_connecting.tls = true;
  Attempt handshaking = tls_connecting;
  handshaking.tls_started = true;
  Attempt tls_ready = handshaking;
  tls_ready.tls_handshaked = true;
  tls_ready.connected = true;
  Attempt tls_sent = tls_ready;
  tls_sent.request_sent = true;
  Attempt tls_sending = tls_sent;
  tls_sending.sending = true;

  Attempt sent = connecting;
  sent.connected = true;
  sent.request_sent = true;
  Attempt sending = sent;
  sending.sending = true;
  Attempt write_timer = sending;
  write_timer.timer = Timer::kWrite;
  write_timer.rc = write_timer.status = 504;
  Attempt reused = sent;
  reused.reused = true;
  Attempt reused_unsent = connecting;
  reused_unsent.reused = true;
  Attempt in_header = sent;
  in_header.bytes_received = 20;
  Attempt fastcgi_header = in_header;
  fastcgi_header.protocol = Protocol::kFastcgi;
  Attempt no_http = in_header;
  no_http.status = 200;
  no_http.rc = 0;
  Attempt no_http_cached = no_http;
  no_http_cached.header_done = true;
  no_http_cached.not_http = true;
  no_http_cached.status = 0;
  Attempt stale = sent;
  stale.rc = 0;

  // nginx's own 500 leaves the status unset.
  Attempt local = {.rc = 500};
  Attempt tls_local = local;
  tls_local.tls = true;
  Attempt sent_local = sent;
  sent_local.status = 0;
  sent_local.rc = 500;
  Attempt sending_local = sent_local;
  sending_local.sending = true;

  Attempt relayed = in_header;
  relayed.header_done = true;
  relayed.received_status = 502;
  relayed.rc = 0;
  Attempt intercepted = relayed;
  intercepted.rc = 502;
  Attempt retried502 = relayed;
  retried502.ending = Ending::kRetried;
  Attempt retried503 = retried502;
  retried503.status = retried503.received_status = 503;

  Attempt body = in_header;
  body.header_done = true;
  body.status = body.received_status = 200;
  Attempt answered = body;
  answered.rc = 0;
  answered.status = answered.received_status = 302;
  Attempt body_aborted = body;
  body_aborted.rc = -1;
  Attempt upgraded = body_aborted;
  upgraded.upgraded = true;
  upgraded.status = upgraded.received_status = 101;
  Attempt upgraded_504 = upgraded;
  upgraded_504.rc = 504;

  static const auto* states = new std::map<std::string, Attempt>{
      {"nowhere", {.ending = Ending::kNoAttempt, .rc = 500}},
      {"nowhere502", {.ending = Ending::kNoAttempt, .rc = 502}},
      {"connecting", connecting},
      {"unix", unix},
      {"tls_connecting", tls_connecting},
      {"handshaking", handshaking},
      {"tls_ready", tls_ready},
      {"tls_sending", tls_sending},
      {"tls_sent", tls_sent},
      {"sending", sending},
      {"write_timer", write_timer},
      {"sent", sent},
      {"reused", reused},
      {"reused_unsent", reused_unsent},
      {"in_header", in_header},
      {"fastcgi_header", fastcgi_header},
      {"no_http", no_http},
      {"no_http_cached", no_http_cached},
      {"stale", stale},
      {"local", local},
      {"tls_local", tls_local},
      {"sent_local", sent_local},
      {"sending_local", sending_local},
      {"relayed", relayed},
      {"intercepted", intercepted},
      {"retried502", retried502},
      {"retried503", retried503},
      {"answered", answered},
      {"body", body},
      {"body_aborted", body_aborted},
      {"upgraded", upgraded},
      {"upgraded_504", upgraded_504},
  };
  return *states;
}

struct Site {
  std::string id, level, message;
  std::vector<int> numbers;  // 0: without an errno
  std::vector<std::string> causes, phases, states;
};

std::vector<std::string> List(absl::string_view text) {
  if (text == "-") {
    return {};
  }
  return absl::StrSplit(text, ',');
}

const std::vector<Site>& Sites() {
  static const auto* sites = [] {
    auto* read = new std::vector<Site>;
    std::ifstream file(UPSTREAM_502_SITES);
    for (std::string line; std::getline(file, line);) {
      if (absl::StartsWith(line, "#")) {
        continue;
      }
      const std::vector<std::string> f = absl::StrSplit(line, '\t');
      if (f.size() != 13) {
        ADD_FAILURE() << "not thirteen columns: " << line;
        continue;
      }
      Site site = {f[0], f[5], f[6], {}, List(f[8]), List(f[9]), List(f[10])};
      for (const std::string& text : List(f[7])) {
        int number = 0;
        EXPECT_TRUE(text == "*" || absl::SimpleAtoi(text, &number)) << line;
        site.numbers.push_back(number);
      }
      if (site.numbers.empty()) {
        site.numbers.push_back(0);
      }
      read->push_back(site);
    }
    return read;
  }();
  return *sites;
}

// A message as nginx would render its format.
std::string Render(const std::string& format, int number) {
  std::string message = absl::StrReplaceAll(format, {{"%*s", "some text"},
                                                     {"%02xd", "0a"},
                                                     {"%uz", "20"},
                                                     {"%ui", "3"},
                                                     {"%V", "some text"},
                                                     {"%s", "some text"},
                                                     {"%d", "9"},
                                                     {"%i", "3"},
                                                     {"%z", "5"},
                                                     {"%O", "9"},
                                                     {"%l", "18"}});
  if (number != 0) {
    absl::StrAppend(&message, " (", number, ": ", std::strerror(number), ")");
  }
  return message;
}

// nginx asks for the message of some levels only, and does not ask for any of
// a second line.
bool IsSeen(const Site& site) {
  return site.message != "-" && site.level != "info" && site.level != "warn" &&
         site.level != "early";
}

TEST(SitesTest, EverySiteHasItsCause) {
  ASSERT_GT(Sites().size(), 300u);
  for (const Site& site : Sites()) {
    ASSERT_EQ(site.phases.size(), site.states.size()) << site.id;
    for (size_t i = 0; i < site.phases.size(); ++i) {
      for (const int number : site.numbers) {
        const std::string message =
            IsSeen(site) ? Render(site.message, number) : "";
        SCOPED_TRACE(
            absl::StrCat(site.id, " in ", site.phases[i], ": ", message));
        ASSERT_TRUE(States().contains(site.states[i])) << site.states[i];
        Attempt attempt = States().at(site.states[i]);
        attempt.message = message;
        if (number == 11 || number == 105) {
          attempt.unix_socket = absl::StrContains(site.states[i], "unix");
        }
        const std::optional<Failure> failure = Classify(attempt);
        ASSERT_TRUE(failure.has_value());

        const std::string& cause = site.causes[site.causes.size() == 1 ? 0 : i];
        EXPECT_EQ(std::string(CauseName(failure->cause)), cause);
        EXPECT_EQ(std::string(PhaseName(failure->phase)), site.phases[i]);
        EXPECT_TRUE(
            absl::StrContains(Info(failure->cause).phases, site.phases[i]));
        const int seen = message.empty() ? 0 : number;
        EXPECT_EQ(failure->errno_number, seen);
        EXPECT_EQ(failure->errno_class, ClassifyErrno(seen));

        // The same where the line was recognized before.
        attempt.line = RecognizeLine(message);
        const std::optional<Failure> again = Classify(attempt);
        ASSERT_TRUE(again.has_value());
        EXPECT_EQ(again->cause, failure->cause);
        EXPECT_EQ(again->phase, failure->phase);
        EXPECT_EQ(again->errno_number, failure->errno_number);
      }
    }
  }
}

// A line that names a cause is known as one, and no other line is.
TEST(SitesTest, LinesAreKnownForWhatTheyAre) {
  for (const Site& site : Sites()) {
    if (!IsSeen(site)) {
      continue;
    }
    const std::string message = Render(site.message, site.numbers[0]);
    const bool tells = TellsFailure(RecognizeLine(message));
    SCOPED_TRACE(absl::StrCat(site.id, ": ", message));
    if (site.causes.empty()) {
      EXPECT_TRUE(!tells || site.level == "second");
    } else if (site.states[0] != "nowhere" &&
               // Two lines are worth what the attempt's end makes of them.
               !absl::StartsWith(message, "FastCGI sent in stderr") &&
               !absl::StartsWith(message, "open() ")) {
      EXPECT_TRUE(tells);
    }
  }
}

}  // namespace
}  // namespace upstream_502
