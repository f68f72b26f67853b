// Lines of nginx's error log, with whatever a client or a backend gets nginx to
// quote in them: what they are, what they make of an attempt, what is said of
// it.
//
// The input is a line of the log and behind it the facts of the attempt.

#include "upstream_502/verdict/log_line.h"

#include <cctype>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "input.h"
#include "upstream_502/advice/checks.h"
#include "upstream_502/advice/findings.h"
#include "upstream_502/advice/hint.h"
#include "upstream_502/report/proxy_status.h"
#include "upstream_502/verdict/attempt.h"
#include "upstream_502/verdict/classify.h"
#include "upstream_502/verdict/line.h"
#include "upstream_502/verdict/memo.h"
#include "upstream_502/words/usual.h"

namespace upstream_502 {
namespace {

void Recognize(absl::string_view message) {
  // As a worker has it: it has seen other lines before.
  static LineMemo* const memo = new LineMemo;
  const Line line = RecognizeLine(message);
  for (int i = 0; i < 2; ++i) {
    const Line& same = memo->Recognize(message);
    REQUIRE(same.says == line.says && same.phase == line.phase &&
            same.errno_number == line.errno_number &&
            same.errno_class == line.errno_class && same.usual == line.usual);
  }
  if (line.usual != 0) {
    REQUIRE(IsUsualLine(line.usual));
    REQUIRE(UsualText(line.usual, line.errno_number) == message);
  }
  TellsFailure(line);
  IsOfResponse(line);
  IsOfConnection(line);
  BlamesCertificate(message);
  AuthStatus(message);
  ResolverCode(message);
  MissesResolver(message);
  AlertNumber(message);
}

Attempt TakeAttempt(absl::string_view message, Input* input) {
  Attempt attempt;
  attempt.message = message;
  if (input->Flag()) {
    attempt.line = RecognizeLine(message);
  }
  attempt.protocol = input->Pick<Protocol>(kProtocolCount);
  attempt.ending = input->Pick<Ending>(3);
  attempt.timer = input->Pick<Timer>(3);
  for (bool* fact :
       {&attempt.unix_socket, &attempt.tls, &attempt.tls_started,
        &attempt.tls_handshaked, &attempt.reused, &attempt.connected,
        &attempt.request_sent, &attempt.sending, &attempt.header_done,
        &attempt.upgraded, &attempt.not_http}) {
    *fact = input->Flag();
  }
  attempt.status = input->Take<uint16_t>();
  attempt.received_status = input->Take<uint16_t>();
  attempt.bytes_received = input->Take<uint64_t>();
  attempt.rc = input->Take<int>();
  return attempt;
}

void Explain(Failure failure, const Attempt& attempt, Input* input) {
  failure.limit = input->Take<int32_t>();
  failure.connect_time = input->Take<int32_t>();
  failure.header_time = input->Take<int32_t>();
  failure.response_time = input->Take<int32_t>();
  failure.bytes_sent = input->Take<uint64_t>();
  failure.not_retried = input->Pick<NotRetried>(kNotRetriedCount);
  failure.sent_to = input->Take<uint8_t>();
  failure.next_limit = input->Take<uint32_t>();
  const FailureText text = {
      .upstream = "backend",
      .peer = attempt.unix_socket ? "unix:/run/app.sock" : "127.0.0.1:9000",
      .uri = input->Line(),
      .message = attempt.message};
  const std::string hint = Hint(failure, text);
  REQUIRE(!hint.empty() && hint.size() <= 300);
  REQUIRE(!Checks(failure, text).empty());
  for (const Found& found : Findings(failure, text, nullptr)) {
    REQUIRE(found.text.size() <= 300);
  }
  REQUIRE(!Why(failure, text, nullptr).empty());
  Rfc9209Error(failure.cause, text.message, attempt.unix_socket);
  const std::string field =
      ProxyStatus(kProxyName, &failure, text, Origin::kNginx, true);
  for (const char c : field) {
    REQUIRE(c >= ' ' && c <= '~');
  }
}

}  // namespace
}  // namespace upstream_502

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace upstream_502;
  Input input(data, size);
  const absl::string_view text = input.Line();
  const LogLine line = ParseLogLine(text);
  for (const bool numbered : {false, true}) {
    Recognize(TextOf(line, numbered));
  }
  Recognize(text);
  const bool whole = line.level == LogLevel::kOther;
  const Attempt attempt =
      TakeAttempt(whole ? text : TextOf(line, true), &input);
  if (const std::optional<Failure> failure = Classify(attempt)) {
    Explain(*failure, attempt, &input);
  }
  return 0;
}
