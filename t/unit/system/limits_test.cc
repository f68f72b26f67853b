// Descriptors and ports, used and allowed.

#include "system/limits.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "gtest/gtest.h"
#include "sockets.h"

namespace upstream_502 {
namespace {

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

}  // namespace
}  // namespace upstream_502
