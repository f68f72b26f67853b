// Probes of peers over TCP: each test provokes one failure as nginx meets it.

#include <netinet/tcp.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "probing.h"

namespace upstream_502 {
namespace {

TEST(ProbeTcp, NotAccepted) {
  const Pair pair;
  Send(pair.client, "GET / HTTP/1.0\r\n\r\n");
  const Evidence evidence = ProbeOf({.cause = Cause::kReadTimeout,
                                     .fd = pair.client.get(),
                                     .peer = pair.peer});
  EXPECT_EQ(evidence.accepted, Seen::kNo);
  EXPECT_EQ(evidence.unread_bytes, 18);
  EXPECT_EQ(evidence.queue, 1);
  EXPECT_EQ(evidence.queue_max, 16);
  EXPECT_EQ(evidence.unacknowledged_bytes, 0);
  EXPECT_EQ(evidence.tcp_state, TCP_ESTABLISHED);
}

TEST(ProbeTcp, NotRead) {
  for (const char* host : {"127.0.0.1", "[::1]"}) {
    const Pair pair(host);
    const Fd server = Accept(pair.listener);
    Send(pair.client, "0123456789");
    const Evidence evidence = ProbeOf({.cause = Cause::kReadTimeout,
                                       .fd = pair.client.get(),
                                       .peer = pair.peer});
    EXPECT_EQ(evidence.accepted, Seen::kYes);
    EXPECT_EQ(evidence.unread_bytes, 10);
    EXPECT_EQ(evidence.queue, 0);
    EXPECT_GE(evidence.rtt_us, 0);
  }
}

TEST(ProbeTcp, ReadWithoutAnswer) {
  const Pair pair;
  const Fd server = Accept(pair.listener);
  Send(pair.client, "0123456789");
  char buffer[16];
  EXPECT_EQ(recv(server.get(), buffer, sizeof(buffer), 0), 10);
  const Evidence evidence = ProbeOf({.cause = Cause::kReadTimeout,
                                     .fd = pair.client.get(),
                                     .peer = pair.peer});
  EXPECT_EQ(evidence.accepted, Seen::kYes);
  EXPECT_EQ(evidence.unread_bytes, 0);
  EXPECT_EQ(evidence.peer_state, TCP_ESTABLISHED);
}

TEST(ProbeTcp, MappedAddressIsTheV4One) {
  const Fd listener = ListenAt("[::]:0", 16, 0);
  const int port = PortOf(listener);
  const Fd client = Connect(At("[::ffff:127.0.0.1]", port));
  const Fd server = Accept(listener);
  Send(client, "0123456789");
  const Evidence evidence = ProbeOf({.cause = Cause::kReadTimeout,
                                     .fd = client.get(),
                                     .peer = At("[::ffff:127.0.0.1]", port)});
  EXPECT_EQ(evidence.where, Where::kThisMachine);
  EXPECT_EQ(evidence.accepted, Seen::kYes);
  EXPECT_EQ(evidence.unread_bytes, 10);
  EXPECT_EQ(evidence.listening, Seen::kYes);
}

TEST(ProbeTcp, BodyNotRead) {
  const Pair pair;
  const Fd server = Accept(pair.listener);
  const std::string body(1 << 16, 'x');
  while (send(pair.client.get(), body.data(), body.size(), MSG_NOSIGNAL) > 0) {
  }
  const Evidence evidence = ProbeOf({.cause = Cause::kSendTimeout,
                                     .phase = Phase::kSend,
                                     .fd = pair.client.get(),
                                     .peer = pair.peer});
  EXPECT_GT(evidence.unacknowledged_bytes, 0);
  EXPECT_GT(evidence.unread_bytes, 0);
}

TEST(ProbeTcp, ServiceGoneOrOneConnection) {
  InNetwork([] {
    for (const bool gone : {false, true}) {
      Pair pair;
      Fd server = Accept(pair.listener);
      server.Close();
      if (gone) {
        pair.listener.Close();
      }
      EXPECT_TRUE(Within([&] {
        TcpFacts facts;
        ReadTcpFacts(pair.client.get(), &facts);
        return facts.state == TCP_CLOSE_WAIT;
      }));
      const Evidence evidence = ProbeOf({.cause = Cause::kClosedBeforeResponse,
                                         .fd = pair.client.get(),
                                         .peer = pair.peer});
      EXPECT_EQ(evidence.where, Where::kThisMachine);
      EXPECT_EQ(evidence.listening, gone ? Seen::kNo : Seen::kYes);
      EXPECT_EQ(evidence.accepted, Seen::kNotAsked);
      EXPECT_EQ(evidence.named, Named::kNothing);
    }
  });
}

TEST(ProbeTcp, AnsweredEarly) {
  Pair pair;
  Fd server = Accept(pair.listener);
  Send(pair.client, "0123456789");
  EXPECT_TRUE(pair.Arrives(server, 10));
  Send(server, "HTTP/1.1 413 Too Large\r\n\r\n");
  server.Close();  // with something unread: a reset
  EXPECT_TRUE(Within(
      [&] { return send(pair.client.get(), "x", 1, MSG_NOSIGNAL) == -1; }));
  const ProbeRequest request = {.cause = Cause::kSendReset,
                                .phase = Phase::kSend,
                                .fd = pair.client.get(),
                                .peer = pair.peer};
  const Evidence evidence = ProbeOf(request);
  EXPECT_EQ(evidence.early_status, 413);
  EXPECT_EQ(evidence.waiting_bytes, 26);
  EXPECT_EQ(evidence.tcp_state, TCP_CLOSE);
  EXPECT_EQ(evidence.listening, Seen::kYes);
  EXPECT_EQ(ProbeOf(request).early_status, 413);  // it is still there
}

TEST(ProbeTcp, IdleBeforeItWasReused) {
  Pair pair;
  Fd server = Accept(pair.listener);
  Send(pair.client, "one");
  EXPECT_TRUE(pair.Arrives(server, 3));
  Send(server, "answer");
  EXPECT_TRUE(pair.Arrives(pair.client, 6));
  TcpFacts facts;
  EXPECT_TRUE(Within([&] {
    ReadTcpFacts(pair.client.get(), &facts);
    return facts.last_data_received >= 200;
  }));
  Send(pair.client, "two");
  EXPECT_TRUE(pair.Arrives(server, 6));
  char buffer[8];
  recv(server.get(), buffer, sizeof(buffer), 0);
  Reset(&server);
  EXPECT_TRUE(Within([&] {
    ReadTcpFacts(pair.client.get(), &facts);
    return facts.state == TCP_CLOSE;
  }));
  const Evidence evidence = ProbeOf({.cause = Cause::kKeepaliveRace,
                                     .phase = Phase::kHeader,
                                     .reused = true,
                                     .fd = pair.client.get(),
                                     .peer = pair.peer});
  EXPECT_GE(evidence.idle_ms, 195);
  EXPECT_LT(evidence.idle_ms, 5000);
}

TEST(ProbeTcp, SaysNothingOfOtherMachines) {
  InNetwork([] {
    const Evidence evidence =
        ProbeOf({.cause = Cause::kConnectionRefused, .peer = "192.0.2.1:3000"});
    EXPECT_EQ(evidence.where, Where::kElsewhere);
    EXPECT_EQ(evidence.listening, Seen::kNotAsked);
    EXPECT_EQ(evidence.asked, 1);
  });
}

// A connection that is open at our end only: sent on to another machine, or
// forgotten by a full queue.
Fd ConnectOneEnd(const std::string& text) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Name local = NameOf("127.0.0.1:0");
  const Name remote = NameOf(text);
  const int on = 1;
  if (setsockopt(fd.get(), IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) != 0) {
    _exit(kSkipped);
  }
  EXPECT_EQ(bind(fd.get(), local.get(), local.size), 0);
  EXPECT_EQ(connect(fd.get(), remote.get(), remote.size), 0);
  return fd;
}

TEST(ProbeTcp, OurAddressMayLeadElsewhere) {
  InNetwork([] {
    for (const bool forwarder : {false, true}) {
      const Fd listener = forwarder ? ListenAt("0.0.0.0:3000") : Fd();
      const Fd client = ConnectOneEnd("127.0.0.1:3000");
      const Evidence evidence = ProbeOf({.cause = Cause::kReadTimeout,
                                         .fd = client.get(),
                                         .peer = "127.0.0.1:3000"});
      EXPECT_EQ(evidence.where, Where::kElsewhere);
      EXPECT_EQ(evidence.accepted, Seen::kNotAsked);
      EXPECT_EQ(evidence.listening, Seen::kNotAsked);
    }
  });
}

TEST(ProbeTcp, ForgottenByAFullQueue) {
  InNetwork([] {
    const Pair pair("127.0.0.1", 0);
    const Fd client = ConnectOneEnd(pair.peer);
    const Evidence evidence = ProbeOf(
        {.cause = Cause::kReadTimeout, .fd = client.get(), .peer = pair.peer});
    EXPECT_EQ(evidence.where, Where::kThisMachine);
    EXPECT_EQ(evidence.accepted, Seen::kNo);
    EXPECT_EQ(evidence.queue, 1);
  });
}

TEST(ProbeTcp, Unacknowledged) {
  InNetwork([] {
    const Pair pair;
    const Fd server = Accept(pair.listener);
    ASSERT_TRUE(SetLoopback(0));  // whatever is sent now is lost
    Send(pair.client, "0123456789");
    Evidence evidence;
    EXPECT_TRUE(Within([&] {
      evidence = ProbeOf({.cause = Cause::kReadTimeout,
                          .fd = pair.client.get(),
                          .peer = pair.peer});
      return evidence.backoff > 0;
    }));
    EXPECT_EQ(evidence.unacknowledged_bytes, 10);
    EXPECT_EQ(evidence.unread_bytes, 0);
    EXPECT_EQ(evidence.accepted, Seen::kYes);
    EXPECT_GT(evidence.retransmissions, 0);
  });
}

TEST(ProbeTcp, PortsUsed) {
  InNetwork([] {
    const Fd listener = ListenAt("127.0.0.1:3000", 100);
    std::vector<Fd> clients;
    for (int i = 0; i < 20; ++i) {
      clients.push_back(Connect("127.0.0.1:3000"));
    }
    // Five of them wait for their end.
    for (int i = 0; i < 5; ++i) {
      Fd server = Accept(listener);
      clients.erase(clients.begin());
      server.Close();
    }
    const Evidence evidence = ProbeOf({.cause = Cause::kLocalExhausted,
                                       .phase = Phase::kConnect,
                                       .errno_number = EADDRNOTAVAIL,
                                       .peer = "127.0.0.1:3000"});
    if (evidence.ports_of == PortsOf::kPeer) {
      EXPECT_EQ(evidence.ports_used, 20);
    } else if (evidence.ports_of == PortsOf::kPeerAtLeast) {
      EXPECT_LE(evidence.ports_used, 20);
    } else {  // a machine with a large table
      EXPECT_EQ(evidence.ports_of, PortsOf::kMachine);
      EXPECT_GE(evidence.ports_used, 20);
    }
    EXPECT_GT(evidence.ports_max, 100);
    EXPECT_EQ(evidence.files_of, FilesOf::kNotAsked);
  });
}

TEST(ProbeTcp, HeaderSize) {
  Pair pair;
  Fd server = Accept(pair.listener);
  const std::string header =
      "HTTP/1.1 200 OK\r\nSet-Cookie: " + std::string(9000, 'c') + "\r\n\r\n";
  Send(server, header + "the body");
  EXPECT_TRUE(pair.Arrives(pair.client, header.size() + 8));
  std::string received(4096, '\0');
  ASSERT_EQ(recv(pair.client.get(), received.data(), received.size(), 0), 4096);
  const Evidence evidence = ProbeOf({.cause = Cause::kHeaderTooBig,
                                     .fd = pair.client.get(),
                                     .peer = pair.peer,
                                     .received = received});
  EXPECT_EQ(evidence.header_bytes, static_cast<int>(header.size()));
  EXPECT_EQ(evidence.waiting_bytes,
            static_cast<int>(header.size() + 8 - received.size()));
}

TEST(ProbeTcp, WhatThePortSpeaks) {
  Pair pair;
  Fd server = Accept(pair.listener);
  Send(server, "SSH-2.0-OpenSSH_9.2\r\n");
  EXPECT_TRUE(pair.Arrives(pair.client, 20));
  EXPECT_EQ(ProbeOf({.cause = Cause::kHeaderInvalid,
                     .fd = pair.client.get(),
                     .peer = pair.peer})
                .speaks,
            Speaks::kSsh);
  EXPECT_EQ(ProbeOf({.cause = Cause::kProtocolError,
                     .fd = pair.client.get(),
                     .peer = pair.peer,
                     .received = "HTTP/1.1 400 Bad Request\r\n"})
                .speaks,
            Speaks::kHttp1);
}

TEST(ProbeTcp, EveryCauseWithNothingAtHand) {
  for (size_t i = 0; i < kCauseCount; ++i) {
    const Evidence evidence =
        ProbeOf({.cause = static_cast<Cause>(i), .now_ms = kNow});
    EXPECT_EQ(evidence.asked, 1);
    EXPECT_EQ(evidence.listening, Seen::kNotAsked);
    EXPECT_EQ(evidence.tcp_state, 0);
  }
  for (const char* peer : {"", ":", "127.0.0.1", "127.0.0.1:0", "[::1]:70000",
                           "[]:1", "unix:", "unix:x", "example.com:80"}) {
    for (size_t i = 0; i < kCauseCount; ++i) {
      EXPECT_NE(ProbeOf({.cause = static_cast<Cause>(i), .peer = peer}).where,
                Where::kElsewhere);
    }
  }
}

}  // namespace
}  // namespace upstream_502
