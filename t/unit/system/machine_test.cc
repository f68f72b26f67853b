// What the machine says beside sockets: memory, limits, confinement, hosts.

#include <fcntl.h>
#include <sys/resource.h>

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "sockets.h"
#include "system/confined.h"
#include "system/hosts.h"
#include "system/limits.h"
#include "system/memory.h"

namespace upstream_502 {
namespace {

TEST(OomKill, IsFoundAmongOthers) {
  EXPECT_EQ(ParseOomKill("nr_free_pages 1\noom_kill 7\nnuma_hit 3\n"), 7);
  EXPECT_EQ(ParseOomKill("oom_kill 7"), 7);
  EXPECT_EQ(ParseOomKill("oom_killer 7\nxoom_kill 2\n"), -1);
  EXPECT_EQ(ParseOomKill("oom_kill x\n"), -1);
  EXPECT_EQ(ParseOomKill(""), -1);
  EXPECT_EQ(ParseOomKill("\n\n\n"), -1);
}

TEST(OomWatch, TellsOfKillsForAMinute) {
  OomWatch watch;
  EXPECT_EQ(watch.Take(5, 1000).count, 0);  // those before are no news
  EXPECT_EQ(watch.Take(5, 9000).count, 0);
  OomKills kills = watch.Take(7, 11500);
  EXPECT_EQ(kills.count, 2);
  EXPECT_EQ(kills.seconds, 3);  // since 9000
  kills = watch.Take(7, 13000);
  EXPECT_EQ(kills.count, 2);
  EXPECT_EQ(kills.seconds, 4);
  kills = watch.Take(8, 20000);
  EXPECT_EQ(kills.count, 3);
  EXPECT_EQ(kills.seconds, 11);
  EXPECT_EQ(watch.Take(8, 80001).count, 0);
  kills = watch.Take(9, 81000);
  EXPECT_EQ(kills.count, 1);
  EXPECT_EQ(kills.seconds, 1);
}

TEST(OomWatch, CounterThatCannotBeRead) {
  OomWatch watch;
  EXPECT_EQ(watch.Take(-1, 1000).count, -1);
  EXPECT_EQ(watch.Take(50, 2000).count, 0);
  EXPECT_EQ(watch.Take(-1, 3000).count, -1);
}

TEST(OomWatch, Looks) {
  OomWatch watch;
  const OomKills kills = watch.Look(1000);
  EXPECT_GE(kills.count, -1);
  EXPECT_LE(kills.count, 0);
}

TEST(Limits, Parsing) {
  EXPECT_EQ(ParsePortRange("32768\t60999\n"), 28232);
  EXPECT_EQ(ParsePortRange("1 1"), 1);
  for (const char* text : {"", "1", "9 1", "1 x", "-5 5", "1 70000"}) {
    EXPECT_EQ(ParsePortRange(text), -1) << text;
  }
  EXPECT_EQ(ParseFileNr("1216\t0\t9223372036854775807\n").used, 1216);
  EXPECT_EQ(ParseFileNr("1216\t0\t9223372036854775807\n").max, INT32_MAX);
  EXPECT_EQ(ParseFileNr("1216").used, -1);
  EXPECT_GT(LocalPorts(), 0);
  EXPECT_GT(MachineFiles().max, 0);
}

TEST(Limits, SocketsOfTheMachine) {
  const absl::string_view text =
      "sockets: used 19\n"
      "TCP: inuse 4 orphan 2 tw 319 alloc 8 mem 156\n"
      "UDP: inuse 7 mem 0\n";
  EXPECT_EQ(ParseSockstat(text, "TCP:"), 323);
  EXPECT_EQ(ParseSockstat("TCP6: inuse 3\n", "TCP6:"), 3);
  EXPECT_EQ(ParseSockstat("TCP: inuse x\n", "TCP:"), -1);
  EXPECT_EQ(ParseSockstat("TCP: inuse", "TCP:"), 0);
  EXPECT_EQ(ParseSockstat("", "TCP:"), -1);
  const Fd listener = ListenAt("127.0.0.1:0");
  EXPECT_GT(TcpSockets(), 0);
  EXPECT_GE(ConnectionTableSize(), -1);
}

TEST(Limits, FilesOfThisProcess) {
  const Usage before = ProcessFiles();
  const Fd one(open("/dev/null", O_RDONLY));
  const Fd two(open("/dev/null", O_RDONLY));
  EXPECT_EQ(ProcessFiles().used, before.used + 2);
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < INT32_MAX) {
    EXPECT_EQ(before.max, static_cast<int>(limit.rlim_cur));
  }
}

TEST(Confined, ByWhom) {
  EXPECT_EQ(ConfinementOf("", "unconfined"), Confinement::kNone);
  EXPECT_EQ(ConfinementOf("", ""), Confinement::kNone);
  EXPECT_EQ(ConfinementOf("", "nginx (enforce)"), Confinement::kAppArmor);
  EXPECT_EQ(ConfinementOf("", "nginx (complain)"), Confinement::kNone);
  EXPECT_EQ(ConfinementOf("1", "system_u:system_r:httpd_t:s0"),
            Confinement::kSelinux);
  EXPECT_EQ(ConfinementOf("0", "system_u:system_r:httpd_t:s0"),
            Confinement::kNone);
  EXPECT_EQ(ConfinementOf("1", "u:unconfined_r:unconfined_t:s0"),
            Confinement::kNone);
  Confined confined;
  EXPECT_NE(confined.Kind(), Confinement::kNotAsked);
  EXPECT_EQ(confined.context().empty(), confined.Kind() == Confinement::kNone);
}

TEST(Hosts, FindsNames) {
  const absl::string_view hosts =
      "# comment\n"
      "127.0.0.1\tlocalhost\n"
      "192.0.2.1 app.example App2 # old.example\r\n"
      "\n"
      "   ::1 ip6-localhost\n"
      "192.0.2.2 app.example\n"
      "lonely";
  EXPECT_EQ(FindHost(hosts, "localhost"), "127.0.0.1");
  EXPECT_EQ(FindHost(hosts, "APP.example."), "192.0.2.1");
  EXPECT_EQ(FindHost(hosts, "app2"), "192.0.2.1");
  EXPECT_EQ(FindHost(hosts, "ip6-localhost"), "::1");
  for (const char* name : {"", ".", "old.example", "app", "lonely", "127.0.0.1",
                           "comment", "example"}) {
    EXPECT_EQ(FindHost(hosts, name), "") << name;
  }
}

void Write(const std::string& path, const std::string& text) {
  const Fd fd(open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644));
  ASSERT_EQ(write(fd.get(), text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
}

TEST(Hosts, FileIsReadAnewWhenItChanges) {
  const Folder folder;
  const std::string path = folder / "hosts";
  const auto hosts = std::make_unique<HostsFile>(path.c_str());
  EXPECT_FALSE(hosts->Load());
  Write(path, "192.0.2.1 a\n");
  ASSERT_TRUE(hosts->Load());
  EXPECT_EQ(hosts->Find("a"), "192.0.2.1");
  EXPECT_EQ(hosts->Find("b"), "");
  Write(path, "192.0.2.1 a\n192.0.2.2 b\n");
  ASSERT_TRUE(hosts->Load());
  EXPECT_EQ(hosts->Find("b"), "192.0.2.2");
  Write(path, std::string(70000, '#'));
  EXPECT_FALSE(hosts->Load());
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_FALSE(hosts->Load());
}

}  // namespace
}  // namespace upstream_502
