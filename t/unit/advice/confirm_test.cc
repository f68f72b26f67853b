#include "upstream_502/advice/confirm.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "advice/shell.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "upstream_502/advice/checks.h"

namespace upstream_502 {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> Of(Finding finding, absl::string_view peer,
                            Protocol protocol = Protocol::kHttp) {
  return Confirm(finding, {.protocol = protocol},
                 {.upstream = "app", .peer = peer}, nullptr);
}

TEST(Confirm, LooksForWhoListens) {
  EXPECT_EQ(Of(Finding::kPortClosed, "127.0.0.1:3001")[0],
            "ss -Hltnp 'sport = :3001' || grep ':0BB9 0*:0000 0A ' "
            "/proc/net/tcp*  # nothing: nobody listens");
  EXPECT_EQ(
      Of(Finding::kOtherAddress, "[::1]:80")[0],
      "ss -Hltnp 'sport = :80' || grep ':0050 0*:0000 0A ' /proc/net/tcp*");
  EXPECT_EQ(Of(Finding::kSocketStale, "unix:/run/app.sock")[0],
            "ss -Hlxnp src /run/app.sock || grep -F /run/app.sock "
            "/proc/net/unix  # nothing: nobody listens");
  EXPECT_THAT(Of(Finding::kServiceGone, "127.0.0.1:80")[0],
              HasSubstr("# nothing: nobody listens"));
}

TEST(Confirm, ResolvesTheNameThatMoved) {
  Evidence evidence;
  SetMoved("api.example", "192.0.2.1", "192.0.2.2", &evidence);
  EXPECT_THAT(
      Confirm(Finding::kNameMoved, {}, {.upstream = "app"}, &evidence)[0],
      HasSubstr("getent ahosts api.example; ps -o pid,lstart,args -C nginx "));
  SetMoved("$(reboot)", "192.0.2.1", "192.0.2.2", &evidence);
  EXPECT_THAT(Confirm(Finding::kNameMoved, {}, {.upstream = "app"}, &evidence),
              ElementsAre(HasSubstr("lstart"), "nginx -t && nginx -s reload"));
  SetMoved(std::string(255, 'n'), "192.0.2.1", "192.0.2.2", &evidence);
  EXPECT_THAT(
      Confirm(Finding::kNameMoved, {}, {.upstream = "app"}, &evidence)[0],
      StartsWith("ps -o pid,lstart"));
}

TEST(Confirm, AsksTheNameServerThatNginxAsks) {
  const std::vector<std::string> checks =
      Confirm(Finding::kHostsOnly, {}, {.upstream = "api.example:80"}, nullptr);
  EXPECT_THAT(checks, ElementsAre(AllOf(
                          HasSubstr("xargs -L 1 dig api.example;"),
                          HasSubstr("fi; grep -nwF api.example /etc/hosts"))));
}

TEST(Confirm, AsksAsHttpWhatSpeaksSomethingElse) {
  EXPECT_THAT(
      Of(Finding::kWrongProtocol, "127.0.0.1:9000", Protocol::kFastcgi)[0],
      "curl -sSg -m 5 -i --raw --http0.9 http://127.0.0.1:9000/  # what speaks "
      "HTTP answers");
  EXPECT_THAT(Of(Finding::kWrongProtocol, "127.0.0.1:80")[1],
              HasSubstr("ss -ltnp"));
}

TEST(Confirm, TriesAsNginxsUser) {
  Evidence evidence;
  evidence.uid = 33;
  evidence.gid = 34;
  EXPECT_THAT(
      Confirm(Finding::kNoPermission, {}, {.peer = "unix:/run/$(id).sock"},
              &evidence)[1],
      AllOf(HasSubstr("setpriv --reuid 33 --regid 34 $(getent passwd 33 "
                      ">/dev/null && echo --init-groups"),
            HasSubstr("may not connect' '/run/$(id).sock'  # as root")));
}

TEST(Confirm, CountsTheDescriptorsOfWhoTakesNoConnections) {
  EXPECT_THAT(
      Of(Finding::kNotAccepted, "127.0.0.1:9000"),
      Contains("for p in $({ ss -Hltnp 'sport = :9000' || grep ':2328 0*:0000 "
               "0A ' /proc/net/tcp*; } | grep -o 'pid=[0-9]*' | cut -d= -f2 | "
               "sort -u); do echo $p: $(ls /proc/$p/fd | wc -l) used; grep "
               "'open files' /proc/$p/limits; done"));
}

TEST(Confirm, FetchesTheBodyWhereThatStopped) {
  EXPECT_THAT(
      Confirm(Finding::kNoAnswer,
              {.cause = Cause::kBodyTimeout, .protocol = Protocol::kHttp},
              {.peer = "127.0.0.1:80"}, nullptr)[0],
      HasSubstr("size_download"));
}

TEST(Confirm, TriesTheProxyProtocolWithWhatNeverAnswered) {
  const FailureText text = {.peer = "127.0.0.1:80"};
  EXPECT_THAT(ConfirmSilence({.protocol = Protocol::kHttp}, text, nullptr),
              Contains(HasSubstr("--haproxy-protocol http://127.0.0.1:80/")));
  EXPECT_THAT(ConfirmSilence({.protocol = Protocol::kFastcgi}, text, nullptr),
              Not(Contains(HasSubstr("haproxy"))));
}

TEST(Confirm, LooksAtThePath) {
  EXPECT_EQ(Of(Finding::kSocketAbsent, "unix:/run/php/fpm.sock")[0],
            "ls -l /run/php/");
  EXPECT_EQ(Of(Finding::kDirectoryMissing, "unix:/run/x/fpm.sock")[0],
            "namei -l /run/x/fpm.sock");
  EXPECT_THAT(Of(Finding::kSocketHidden, "unix:/tmp/app.sock"),
              Contains(HasSubstr("ns/mnt")));
  EXPECT_THAT(
      Of(Finding::kNoPermission, "unix:/run/php/fpm.sock", Protocol::kFastcgi),
      Contains(HasSubstr("listen\\.(owner")));
}

TEST(Confirm, AsksHowManyWorkersThisMachineBears) {
  for (const Finding finding : {Finding::kNotAccepted, Finding::kQueueFull}) {
    for (const absl::string_view peer :
         {"127.0.0.1:9000", "unix:/run/app.sock"}) {
      EXPECT_THAT(Of(finding, peer)[0], HasSubstr("Recv-Q wait"));
      EXPECT_THAT(Of(finding, peer)[1], HasSubstr("MemAvailable"));
    }
  }
}

TEST(Confirm, KnowsWhetherTheServiceOrOneOfItsWorkersEnded) {
  EXPECT_THAT(Of(Finding::kStillListening, "127.0.0.1:80")[0],
              HasSubstr("lstart"));
  EXPECT_THAT(Of(Finding::kOomKill, "127.0.0.1:80")[0], HasSubstr("oom_kill"));
}

TEST(Confirm, LeavesTheRestToTheCausesChecks) {
  for (const Finding finding :
       {Finding::kIdleClosed, Finding::kCertificateExpired,
        Finding::kHeaderSize, Finding::kPeersDown, Finding::kOneMethod}) {
    EXPECT_THAT(Of(finding, "127.0.0.1:80"), IsEmpty());
  }
}

TEST(Confirm, LeavesOutWhatIsNoAddress) {
  for (const absl::string_view peer :
       {"", "-oProxyCommand:80", "a b:80", "x\n:80", "unix:relative",
        "unix:/id\n", "host:80;id"}) {
    for (size_t i = 0; i < kFindingCount; ++i) {
      for (const std::string& check : Of(static_cast<Finding>(i), peer)) {
        EXPECT_FALSE(absl::StrContains(check, "ProxyCommand")) << check;
        EXPECT_FALSE(absl::StrContains(check, ";id")) << check;
        EXPECT_FALSE(absl::StrContains(check, "\n")) << check;
        EXPECT_FALSE(absl::StrContains(check, "a b")) << check;
        EXPECT_FALSE(absl::StartsWith(check, " ")) << check;
      }
    }
  }
}

TEST(Confirm, QuotesForTheShell) {
  for (const std::string& check :
       Of(Finding::kSocketAbsent, "unix:/run/$(reboot)/x.sock")) {
    EXPECT_THAT(check, HasSubstr("'/run/$(reboot)/'"));
  }
}

TEST(Confirm, EndsEveryQuoteItBegins) {
  for (size_t i = 0; i < kProtocolCount; ++i) {
    const Protocol protocol = static_cast<Protocol>(i);
    for (const absl::string_view peer :
         {"127.0.0.1:9000", "[2001:db8::1]:80", "api.example:443",
          "unix:/run/it's \"here\".sock"}) {
      const FailureText text = {.upstream = "it's",
                                .peer = peer,
                                .method = "POST",
                                .host = "it's.example",
                                .uri = "/it's?\"a\"=b"};
      std::vector<std::string> commands;
      for (size_t cause = 0; cause < kCauseCount; ++cause) {
        for (std::string& command :
             Checks({.cause = static_cast<Cause>(cause), .protocol = protocol},
                    text, nullptr)) {
          commands.push_back(std::move(command));
        }
      }
      for (std::string& command :
           ConfirmSilence({.protocol = protocol}, text, nullptr)) {
        commands.push_back(std::move(command));
      }
      for (size_t finding = 0; finding < kFindingCount; ++finding) {
        for (std::string& command :
             Confirm(static_cast<Finding>(finding), {.protocol = protocol},
                     text, nullptr)) {
          commands.push_back(std::move(command));
        }
      }
      for (const std::string& command : commands) {
        EXPECT_TRUE(IsClosed(command)) << command;
      }
    }
  }
}

TEST(Confirm, SpeaksOfThisMachineWhereItWasSeen) {
  Evidence evidence;
  evidence.where = Where::kThisMachine;
  const std::vector<std::string> checks =
      Confirm(Finding::kRejected, {}, {.peer = "192.0.2.7:80"}, &evidence);
  EXPECT_THAT(checks, ElementsAre(HasSubstr("nc -vz -w 3 192.0.2.7 80 "),
                                  HasSubstr("iptables")));
  EXPECT_THAT(Of(Finding::kRejected, "192.0.2.7:80")[0], HasSubstr("nc -vz"));
}

}  // namespace
}  // namespace upstream_502
