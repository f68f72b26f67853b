// Probes of peers over TCP: each test provokes one failure as nginx meets it.

#include <netinet/tcp.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sockets.h"
#include "system/probe.h"

namespace upstream_502 {
namespace {

constexpr int64_t kNow = 1000000;

Evidence ProbeOf(ProbeRequest request) {
  static Prober* prober = new Prober;
  if (request.now_ms == 0) {
    request.now_ms = kNow;
  }
  Evidence evidence;
  prober->Probe(request, &evidence);
  return evidence;
}

// A listener and a connection to it.
struct Pair {
  explicit Pair(const std::string& host = "127.0.0.1", int backlog = 16)
      : listener(ListenAt(At(host, 0), backlog)),
        peer(At(host, PortOf(listener))),
        client(Connect(peer)) {
    EXPECT_TRUE(Within([this] { return IsConnected(); }));
  }
  bool IsConnected() const {
    return RemoteEnd(client.get()).family != Family::kNone;
  }
  // The service's end has all of `size` bytes.
  bool Arrives(const Fd& server, size_t size) const {
    return Within([&] { return HasReceived(server, size); });
  }

  Fd listener;
  std::string peer;
  Fd client;
};

TEST(ProbeTcp, PortClosed) {
  InNetwork([] {
    const Fd near = ListenAt("127.0.0.1:3001");
    const Fd all = ListenAt("0.0.0.0:9999");
    const Fd both = ListenAt("[::]:4000", 16, 0);
    const Fd v6_only = ListenAt("[::]:3002", 16, 1);
    const Fd elsewhere = ListenAt("127.0.0.2:3003");
    const Fd nginx = ListenAt("0.0.0.0:80");
    const Address own[] = {LocalEnd(nginx.get())};
    const Fd client = Connect("127.0.0.1:3000");
    const Evidence evidence = ProbeOf({.cause = Cause::kConnectionRefused,
                                       .phase = Phase::kConnect,
                                       .fd = client.get(),
                                       .peer = "127.0.0.1:3000",
                                       .own = own});
    EXPECT_EQ(evidence.where, Where::kThisMachine);
    EXPECT_EQ(evidence.listening, Seen::kNo);
    EXPECT_EQ(evidence.named, Named::kPorts);
    EXPECT_EQ(evidence.Text(), "3001, 4000, 9999");
    EXPECT_EQ(evidence.named_count, 3);
  });
}

TEST(ProbeTcp, PortClosedNamesTheNearest) {
  InNetwork([] {
    std::vector<Fd> listeners;
    for (int port = 5000; port < 5040; ++port) {
      listeners.push_back(ListenAt(At("127.0.0.1", port)));
      listeners.push_back(ListenAt(At("[::1]", port)));
    }
    const Evidence evidence =
        ProbeOf({.cause = Cause::kConnectionRefused, .peer = "127.0.0.1:5045"});
    EXPECT_EQ(evidence.Text(),
              "5032, 5033, 5034, 5035, 5036, 5037, 5038, 5039");
    EXPECT_EQ(evidence.named_count, 40);
  });
}

TEST(ProbeTcp, OtherAddress) {
  InNetwork([] {
    const Fd v4 = ListenAt("127.0.0.1:3000");
    const Fd other = ListenAt("127.0.0.2:3000");
    const Fd far = ListenAt("[::1]:3001");
    const Fd client = Connect("[::1]:3000");
    const Evidence evidence = ProbeOf({.cause = Cause::kConnectionRefused,
                                       .phase = Phase::kConnect,
                                       .fd = client.get(),
                                       .peer = "[::1]:3000"});
    EXPECT_EQ(evidence.listening, Seen::kNo);
    EXPECT_EQ(evidence.named, Named::kAddresses);
    EXPECT_EQ(evidence.named_count, 2);
    EXPECT_THAT(std::string(evidence.Text()),
                testing::AnyOf("127.0.0.1, 127.0.0.2", "127.0.0.2, 127.0.0.1"));
  });
}

TEST(ProbeTcp, V6OnlyIsNoneForV4) {
  InNetwork([] {
    const Fd listener = ListenAt("[::]:3000", 16, 1);
    EXPECT_EQ(
        ProbeOf({.cause = Cause::kConnectionRefused, .peer = "127.0.0.1:3000"})
            .Text(),
        "::");
    EXPECT_EQ(
        ProbeOf({.cause = Cause::kConnectionRefused, .peer = "[::1]:3000"})
            .listening,
        Seen::kYes);
  });
}

TEST(ProbeTcp, RefusedThoughServiceListens) {
  InNetwork([] {
    for (const char* at : {"127.0.0.1:3000", "0.0.0.0:3000", "[::]:3000"}) {
      const Fd listener = ListenAt(at, 7, 0);
      const Evidence evidence = ProbeOf(
          {.cause = Cause::kConnectionRefused, .peer = "127.0.0.1:3000"});
      EXPECT_EQ(evidence.listening, Seen::kYes) << at;
      EXPECT_EQ(evidence.queue, 0);
      EXPECT_EQ(evidence.queue_max, 7);
      EXPECT_EQ(evidence.listener_uid, geteuid());
      EXPECT_EQ(evidence.named, Named::kNothing);
    }
  });
}

TEST(ProbeTcp, NothingIsSaidOfOneBoundToAnInterface) {
  InNetwork([] {
    const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Name name = NameOf("127.0.0.1:3000");
    if (setsockopt(listener.get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) != 0) {
      _exit(kSkipped);
    }
    ASSERT_EQ(bind(listener.get(), name.get(), name.size), 0);
    ASSERT_EQ(listen(listener.get(), 5), 0);
    const Evidence evidence =
        ProbeOf({.cause = Cause::kConnectionRefused, .peer = "127.0.0.1:3000"});
    EXPECT_EQ(evidence.listening, Seen::kNotAsked);
    EXPECT_EQ(evidence.named, Named::kNothing);
  });
}

TEST(ProbeTcp, QueueFull) {
  InNetwork([] {
    const Pair pair("127.0.0.1", 0);  // room for one
    const Fd waiting = Connect(pair.peer);
    const Evidence evidence = ProbeOf({.cause = Cause::kConnectionTimeout,
                                       .phase = Phase::kConnect,
                                       .fd = waiting.get(),
                                       .peer = pair.peer});
    EXPECT_EQ(evidence.tcp_state, TCP_SYN_SENT);
    EXPECT_EQ(evidence.requests_to_connect, 1);
    EXPECT_EQ(evidence.listening, Seen::kYes);
    EXPECT_EQ(evidence.queue, 1);
    EXPECT_EQ(evidence.queue_max, 0);
    // The same when the socket is no longer there.
    EXPECT_EQ(
        ProbeOf({.cause = Cause::kConnectionTimeout, .peer = pair.peer}).queue,
        1);
  });
}

TEST(ProbeTcp, RequestsToConnectAreCounted) {
  InNetwork([] {
    const Pair pair("127.0.0.1", 0);
    const Fd waiting = Connect(pair.peer);
    Evidence evidence;
    EXPECT_TRUE(Within([&] {
      evidence = ProbeOf({.cause = Cause::kConnectionTimeout,
                          .phase = Phase::kConnect,
                          .fd = waiting.get(),
                          .peer = pair.peer});
      return evidence.requests_to_connect == 2;
    }));
    EXPECT_EQ(evidence.retransmits, 1);
  });
}

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
