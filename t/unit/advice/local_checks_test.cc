#include "upstream_502/advice/local_checks.h"

#include <cerrno>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "upstream_502/advice/checks.h"

namespace upstream_502 {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A failure with its text.
struct Input {
  Failure failure;
  FailureText text;

  Input(Cause cause, absl::string_view peer)
      : failure{.cause = cause, .protocol = Protocol::kHttp},
        text{.upstream = "app", .peer = peer} {}
};

std::vector<std::string> Checks(const Input& input) {
  return upstream_502::Checks(input.failure, input.text);
}

TEST(LocalChecks, TellWhatThisMachineRanOutOf) {
  Input input(Cause::kLocalExhausted, "127.0.0.1:80");
  input.failure.errno_number = EADDRNOTAVAIL;
  EXPECT_THAT(Checks(input), Contains("sysctl net.ipv4.ip_local_port_range"));
  EXPECT_THAT(Checks(input),
              Contains("ss -Htan dst 127.0.0.1:80 | cut -d' ' -f1 | sort | "
                       "uniq -c"));
  EXPECT_THAT(Checks(input), Not(Contains(HasSubstr("fs.file-nr"))));
  EXPECT_THAT(Checks(input), Contains(HasSubstr("keepalive 32;")));
  input.failure.errno_number = ENFILE;
  EXPECT_THAT(Checks(input),
              ElementsAre("sysctl fs.file-nr  # open, unused, at most"));
  input.failure.errno_number = EMFILE;
  EXPECT_THAT(Checks(input), Not(Contains(HasSubstr("fs.file-nr"))));
  EXPECT_THAT(Checks(input), Contains(HasSubstr("/proc/$p/limits")));
  EXPECT_THAT(Checks(input),
              Not(Contains("sysctl net.ipv4.ip_local_port_range")));
  input.failure.errno_number = 0;
  input.text.message = "1024 worker_connections are not enough";
  EXPECT_THAT(Checks(input),
              ElementsAre(HasSubstr("grep -c socket:"),
                          HasSubstr("grep -nF -e worker_connections ")));
}

TEST(LocalChecks, DoNotSuspectPortsThatAreFree) {
  Input input(Cause::kLocalExhausted, "[::1]:80");
  input.failure.errno_number = EADDRNOTAVAIL;
  EXPECT_THAT(Checks(input), Contains(HasSubstr("disable_ipv6")));
  EXPECT_THAT(Checks(input), Contains(HasSubstr("ip_local_port_range")));
  EXPECT_THAT(Checks(input), Not(Contains(HasSubstr("keepalive"))));

  Evidence evidence;
  evidence.ports_used = 3;
  evidence.ports_max = 28232;
  evidence.ports_of = PortsOf::kPeer;
  const auto seen = [&] {
    return upstream_502::Checks(input.failure, input.text, &evidence);
  };
  EXPECT_THAT(seen(),
              ElementsAre(HasSubstr("ip -6 addr"), HasSubstr("disable_ipv6"),
                          HasSubstr("ipv6=off;")));
  input.text.peer = "192.0.2.7:80";
  EXPECT_THAT(seen(), ElementsAre("ip addr", HasSubstr("-e '_bind '")));
  evidence.ports_used = 28232;
  for (const absl::string_view peer : {"192.0.2.7:80", "[::1]:80"}) {
    input.text.peer = peer;
    EXPECT_THAT(seen(), ElementsAre(HasSubstr("ss -Htan dst"),
                                    HasSubstr("ip_local_port_range"),
                                    HasSubstr("keepalive 32;")));
  }
}

TEST(LocalChecks, LookForAnAddressToConnectFrom) {
  Input input(Cause::kConnectionFailed, "192.0.2.7:80");
  input.failure.errno_number = EINVAL;
  EXPECT_THAT(Checks(input), Contains(HasSubstr("-e '_bind '")));
  input.text.peer = "[fe80::1]:80";
  EXPECT_THAT(Checks(input), Each(Not(HasSubstr("_bind"))));
  input = Input(Cause::kInternalError, "[::1]:80");
  input.text.message = "bind(127.0.0.1) failed (22: Invalid argument)";
  EXPECT_THAT(Checks(input),
              ElementsAre(HasSubstr("-e '_bind '"), HasSubstr("error_log")));
  input.failure.errno_number = EAFNOSUPPORT;
  input.text.message =
      "socket() failed (97: Address family not supported by protocol)";
  EXPECT_THAT(Checks(input), Contains(HasSubstr("ip -6 addr")));
}

}  // namespace
}  // namespace upstream_502
