// TCP_INFO of any size, and how idle a connection was.

#include "system/tcp_info.h"

#include <linux/tcp.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

tcp_info Sample() {
  tcp_info info = {};
  info.tcpi_state = 1;
  info.tcpi_retransmits = 2;
  info.tcpi_probes = 3;
  info.tcpi_backoff = 4;
  info.tcpi_unacked = 5;
  info.tcpi_last_data_sent = 6;
  info.tcpi_last_data_recv = 7;
  info.tcpi_last_ack_recv = 8;
  info.tcpi_rtt = 9;
  info.tcpi_total_retrans = 10;
  return info;
}

TcpFacts Parse(const tcp_info& info, size_t size) {
  const std::vector<char> copy(reinterpret_cast<const char*>(&info),
                               reinterpret_cast<const char*>(&info) + size);
  return ParseTcpInfo({copy.data(), size});
}

TEST(TcpInfo, Whole) {
  const TcpFacts facts = Parse(Sample(), sizeof(tcp_info));
  EXPECT_EQ(facts.state, 1);
  EXPECT_EQ(facts.retransmits, 2);
  EXPECT_EQ(facts.probes, 3);
  EXPECT_EQ(facts.backoff, 4);
  EXPECT_EQ(facts.unacknowledged, 5);
  EXPECT_EQ(facts.last_data_sent, 6);
  EXPECT_EQ(facts.last_data_received, 7);
  EXPECT_EQ(facts.last_ack_received, 8);
  EXPECT_EQ(facts.rtt_us, 9);
  EXPECT_EQ(facts.retransmissions, 10);
}

TEST(TcpInfo, OfAnOlderKernel) {
  const TcpFacts facts =
      Parse(Sample(), offsetof(tcp_info, tcpi_last_ack_recv) + 3);
  EXPECT_EQ(facts.last_data_received, 7);
  EXPECT_EQ(facts.last_ack_received, -1);
  EXPECT_EQ(facts.rtt_us, -1);
  EXPECT_EQ(facts.retransmissions, -1);
  for (size_t size = 0; size < sizeof(tcp_info); ++size) {
    EXPECT_EQ(Parse(Sample(), size).state, size == 0 ? -1 : 1);
  }
}

TEST(TcpInfo, MoreThanFits) {
  tcp_info info = Sample();
  info.tcpi_last_data_recv = 0xffffffff;
  EXPECT_EQ(Parse(info, sizeof(info)).last_data_received, 0x7fffffff);
}

TEST(TcpInfo, OfWhatIsNone) {
  TcpFacts facts;
  EXPECT_FALSE(ReadTcpFacts(-1, &facts));
  EXPECT_EQ(UnacknowledgedBytes(-1), -1);
}

TEST(IdleBefore, CountsFromDataToRequest) {
  const auto idle = [](int sent_ms, int received_ms, bool sent) {
    TcpFacts facts;
    facts.last_data_sent = sent_ms;
    facts.last_data_received = received_ms;
    return IdleBefore(facts, sent);
  };
  EXPECT_EQ(idle(10, 730, true), 720);
  EXPECT_EQ(idle(5000, 5000, true), 0);  // used again at once
  // The write failed: what was sent last is the request before.
  EXPECT_EQ(idle(5000, 5000, false), 5000);
  EXPECT_EQ(idle(5003, 5000, false), 5000);
  EXPECT_EQ(idle(20, 5020, false), 5000);  // some of it had gone out
  EXPECT_EQ(idle(-1, 5, true), -1);
  EXPECT_EQ(idle(5, -1, true), -1);
}

}  // namespace
}  // namespace upstream_502
