// Findings about certificates, handshakes and what a port speaks.

#include "advice/findings_scene.h"

namespace upstream_502 {
namespace {

constexpr int64_t kNowMs = 1790000000000;  // 2026-09-21
constexpr int64_t kDay = 86400;

FindingScene Certificate(absl::string_view message, Evidence evidence = {}) {
  return {{.time_ms = kNowMs,
           .cause = Cause::kTlsCertificateInvalid,
           .phase = Phase::kTls,
           .protocol = Protocol::kHttps},
          {.peer = "192.0.2.7:443", .message = message},
          evidence};
}

FindingScene Handshake(absl::string_view message, Evidence evidence = {}) {
  FindingScene scene = Certificate(message, evidence);
  scene.failure.cause = Cause::kTlsProtocolError;
  return scene;
}

TEST(FindingsTlsTest, Expired) {
  constexpr absl::string_view kLine =
      "upstream SSL certificate verify error: (10:certificate has expired)";
  const int64_t now = kNowMs / 1000;
  EXPECT_EQ(Says(Certificate(kLine, {.not_after_s = now - 2 * kDay}),
                 Finding::kCertificateExpired),
            "the certificate of 192.0.2.7:443 expired 2026-09-19 14:13:20 UTC "
            "(2 days ago)");
  // Its own is good: it is one further up.
  EXPECT_TRUE(absl::StartsWith(
      Says(Certificate(kLine, {.not_after_s = now + kDay}),
           Finding::kCertificateExpired),
      "a certificate that the one of 192.0.2.7:443 is issued by has expired"));
  EXPECT_EQ(Says(Certificate(kLine), Finding::kCertificateExpired),
            "the certificate of 192.0.2.7:443, or one that it is issued by, "
            "has expired");
  for (const int64_t wild : {INT64_MIN, int64_t{-1}, INT64_MAX}) {
    EXPECT_TRUE(
        absl::StrContains(Says(Certificate(kLine, {.not_after_s = wild}),
                               Finding::kCertificateExpired),
                          ", or one that"));
  }
  // Expired it is, but that is not what was found fault with.
  EXPECT_EQ(NamesOf(Certificate("upstream SSL certificate verify error: "
                                "(18:self signed certificate)",
                                {.not_after_s = now - kDay})),
            "certificate_untrusted");
  EXPECT_EQ(NamesOf(Certificate("", {.not_after_s = now - kDay})), "");
}

TEST(FindingsTlsTest, NotYetValid) {
  const int64_t now = kNowMs / 1000;
  FindingScene scene = Certificate(
      "upstream SSL certificate verify error: (9:certificate is not yet "
      "valid)",
      {.not_before_s = now + 3 * 3600});
  EXPECT_EQ(Says(scene, Finding::kCertificateNotYetValid),
            "the certificate of 192.0.2.7:443 is not valid before 2026-09-21 "
            "17:13:20 UTC (in 3 hours): check the clocks");
  scene.evidence.not_before_s = now - kDay;
  EXPECT_TRUE(absl::StrContains(Says(scene, Finding::kCertificateNotYetValid),
                                "issued by is not valid yet"));
  EXPECT_EQ(NamesOf(scene), "certificate_not_yet_valid");
}

TEST(FindingsTlsTest, Name) {
  constexpr absl::string_view kLine =
      "upstream SSL certificate does not match \"api.example\"";
  EXPECT_EQ(Says(Certificate(kLine, Naming(Named::kCertificateNames,
                                           "a.example, b.example", {}, 3)),
                 Finding::kCertificateName),
            "the certificate of 192.0.2.7:443 is not for \"api.example\", but "
            "for a.example, b.example (and 3 more)");
  EXPECT_EQ(Says(Certificate(kLine), Finding::kCertificateName),
            "the certificate of 192.0.2.7:443 is not for \"api.example\": see "
            "proxy_ssl_name");
  EXPECT_EQ(NamesOf(Certificate("", {.verify_error = 62})), "certificate_name");
  EXPECT_EQ(
      NamesOf(Certificate("", Naming(Named::kCertificateNames, "a.example"))),
      "");
}

TEST(FindingsTlsTest, UntrustedAndChain) {
  const struct {
    int code;
    absl::string_view names;
    absl::string_view says;
  } kCases[] = {
      {18, "certificate_untrusted", "is signed by itself"},
      {19, "certificate_untrusted", "leads to a root that is not in "},
      {20, "certificate_untrusted",
       "issued by CN=Example CA, leads to an issuer whose certificate is not "
       "in proxy_ssl_trusted_certificate"},
      {21, "certificate_chain",
       "192.0.2.7:443 sent 1 certificate without that of its issuer CN=Example "
       "CA, which is not in proxy_ssl_trusted_certificate either"},
      {22, "certificate_chain", "is too long: raise proxy_ssl_verify_depth"},
      {0, "", ""},
      {-1, "", ""},
      {7, "", ""},
      {32767, "", ""},
  };
  for (const auto& c : kCases) {
    const FindingScene scene = Certificate(
        "SSL_do_handshake() failed (SSL: error:0A000086:SSL "
        "routines::certificate verify failed)",
        Naming(Named::kIssuer, "CN=Example CA",
               {.verify_error = static_cast<int16_t>(c.code),
                .chain_length = 1,
                .verify_depth = 1}));
    EXPECT_EQ(NamesOf(scene), c.names) << c.code;
    EXPECT_TRUE(c.names.empty() ||
                absl::StrContains(Find(scene)[0].text, c.says))
        << Find(scene)[0].text;
  }
}

TEST(FindingsTlsTest, MoreCertificatesThanAreLookedAt) {
  const auto found = [](int length, int depth) {
    return NamesOf(
        Certificate("upstream SSL certificate verify error: (20:unable to get "
                    "local issuer certificate)",
                    {.chain_length = static_cast<uint8_t>(length),
                     .verify_depth = static_cast<uint8_t>(depth)}));
  };
  EXPECT_EQ(found(3, 1), "certificate_chain");
  EXPECT_EQ(found(2, 1), "certificate_untrusted");
  EXPECT_EQ(found(4, 3), "certificate_untrusted");
  EXPECT_EQ(found(9, 0xff), "certificate_untrusted");  // not asked
  const FindingScene scene = Certificate(
      "", {.verify_error = 20, .chain_length = 3, .verify_depth = 1});
  EXPECT_TRUE(absl::EndsWith(
      Find(scene)[0].text,
      " sent 3 certificates, of which proxy_ssl_verify_depth (now 1) lets "
      "nginx look at 2, and the last of these is issued by none in "
      "proxy_ssl_trusted_certificate: raise proxy_ssl_verify_depth"))
      << Find(scene)[0].text;
}

TEST(FindingsTlsTest, RefusedHereIsWithoutAnAlert) {
  const FindingScene scene = Handshake(
      "SSL_do_handshake() failed (SSL: error:0A000102:SSL "
      "routines::unsupported protocol)");
  EXPECT_EQ(NamesOf(scene), "tls_refused_here");
  EXPECT_TRUE(absl::StrContains(Says(scene, Finding::kTlsRefusedHere),
                                "see proxy_ssl_protocols"));
  EXPECT_EQ(NamesOf(Handshake("SSL_do_handshake() failed (SSL: "
                              "error:0A00042E:SSL routines::tlsv1 alert "
                              "protocol version:SSL alert number 70)")),
            "tls_alert");
  EXPECT_EQ(NamesOf(Handshake("upstream sent :unsupported protocol")), "");
  EXPECT_EQ(NamesOf(Certificate("SSL_do_handshake() failed (SSL: "
                                "error:0A00018F:SSL routines::ee key too "
                                "small)")),
            "tls_refused_here");
  const struct {
    int code;
    absl::string_view says;
  } kWeak[] = {
      {66, "(ee key too small)"},
      {67, "(ca key too small)"},
      {68, "(ca md too weak)"},
  };
  for (const auto& c : kWeak) {
    const std::string message = absl::StrCat(
        "upstream SSL certificate verify error: (", c.code, ":weak)");
    const FindingScene weak = Certificate(message);
    EXPECT_EQ(NamesOf(weak), "tls_refused_here");
    EXPECT_TRUE(
        absl::StrContains(Says(weak, Finding::kTlsRefusedHere), c.says));
  }
}

TEST(FindingsTlsTest, Alerts) {
  const struct {
    int number;
    absl::string_view says;
  } kCases[] = {
      {40, "alert handshake_failure (40): "},
      {48,
       "unknown_ca (48): it does not trust who issued nginx's "
       "certificate; see proxy_ssl_certificate"},
      {70,
       "protocol_version (70): it wants another version of TLS; see "
       "proxy_ssl_protocols"},
      {112, "unrecognized_name (112)"},
      {116, "certificate_required (116): it wants a certificate from nginx"},
  };
  for (const auto& c : kCases) {
    const std::string message = absl::StrCat(
        "SSL_do_handshake() failed (SSL: error:x:SSL alert number ", c.number,
        ")");
    EXPECT_TRUE(
        absl::StrContains(Says(Handshake(message), Finding::kTlsAlert), c.says))
        << c.number;
  }
  for (const absl::string_view message :
       {"SSL alert number 254", "SSL alert number 99999",
        "SSL alert number "}) {
    EXPECT_EQ(NamesOf(Handshake(message)), "") << message;
  }
}

TEST(FindingsTlsTest, ServerName) {
  FindingScene scene = Handshake("", {.sni = Seen::kNo});
  EXPECT_EQ(Says(scene, Finding::kNoServerName),
            "no server name (SNI) was sent to 192.0.2.7:443: a server with "
            "several certificates needs proxy_ssl_server_name on");
  scene.failure.cause = Cause::kTlsClosed;
  EXPECT_EQ(NamesOf(scene), "no_server_name");
  scene.failure.phase = Phase::kHeader;  // the handshake went well
  EXPECT_EQ(NamesOf(scene), "");
  scene.failure.phase = Phase::kTls;
  scene.failure.cause = Cause::kTlsTimeout;
  EXPECT_EQ(NamesOf(scene), "");
  EXPECT_EQ(NamesOf(Handshake("")), "");
  EXPECT_EQ(NamesOf(Handshake("", {.sni = Seen::kYes})), "");
  // Nobody speaks TLS there.
  EXPECT_EQ(NamesOf(Handshake("SSL_do_handshake() failed (SSL: "
                              "error:0A00010B:SSL routines::wrong version "
                              "number)",
                              {.sni = Seen::kNo})),
            "wrong_protocol");
  scene =
      Handshake("x:SSL alert number 112",
                Naming(Named::kServerName, "a.example", {.sni = Seen::kYes}));
  EXPECT_EQ(Says(scene, Finding::kNoServerName),
            "the server name (SNI) sent to 192.0.2.7:443 was \"a.example\", "
            "which it does not know: see proxy_ssl_name");
  scene.text.message = "x:SSL alert number 40";
  EXPECT_EQ(NamesOf(scene), "tls_alert");
}

FindingScene Answer(Protocol protocol, Cause cause, Speaks speaks,
                    absl::string_view message = "") {
  return {{.cause = cause, .protocol = protocol},
          {.peer = "192.0.2.7:80", .message = message},
          {.asked = 1, .speaks = speaks}};
}

TEST(FindingsTlsTest, WhatThePortSpeaksAndWhatFits) {
  const struct {
    Protocol protocol;
    Cause cause;
    Speaks speaks;
    absl::string_view says;
  } kCases[] = {
      {Protocol::kHttp, Cause::kHeaderInvalid, Speaks::kTls,
       "speaks TLS: proxy_pass https:// fits it"},
      {Protocol::kGrpc, Cause::kProtocolError, Speaks::kTls,
       "speaks TLS: grpc_pass grpcs:// fits it"},
      {Protocol::kFastcgi, Cause::kProtocolError, Speaks::kTls,
       "speaks TLS, which fastcgi_pass does not: check the port"},
      {Protocol::kFastcgi, Cause::kProtocolError, Speaks::kHttp1,
       "speaks HTTP/1: proxy_pass http:// fits it"},
      {Protocol::kGrpcs, Cause::kProtocolError, Speaks::kHttp1,
       "speaks HTTP/1: proxy_pass https:// fits it"},
      {Protocol::kHttp, Cause::kHeaderInvalid, Speaks::kFastcgi,
       "speaks FastCGI: fastcgi_pass fits it"},
      {Protocol::kHttp, Cause::kHeaderInvalid, Speaks::kHttp2,
       "speaks HTTP/2: grpc_pass grpc:// fits it"},
      {Protocol::kHttp, Cause::kHeaderInvalid, Speaks::kSsh,
       "speaks SSH, which proxy_pass does not: check the port"},
      {Protocol::kMemcached, Cause::kProtocolError, Speaks::kRedis,
       "speaks Redis, which memcached_pass does not"},
  };
  for (const auto& c : kCases) {
    const std::string text =
        Says(Answer(c.protocol, c.cause, c.speaks), Finding::kWrongProtocol);
    EXPECT_TRUE(absl::StrContains(text, c.says)) << text << "\n" << c.says;
  }
}

TEST(FindingsTlsTest, PlainTextInPlaceOfTheHandshake) {
  EXPECT_EQ(Says(Answer(Protocol::kHttps, Cause::kTlsProtocolError,
                        Speaks::kSmtp, "upstream prematurely sent response"),
                 Finding::kWrongProtocol),
            "192.0.2.7:80 speaks SMTP, not TLS, which proxy_pass does not: "
            "check the port");
  EXPECT_EQ(
      Says(Answer(Protocol::kHttps, Cause::kTlsProtocolError, Speaks::kHttp1,
                  "SSL_do_handshake() failed (SSL: error:0A00010B:SSL "
                  "routines::wrong version number)"),
           Finding::kWrongProtocol),
      "192.0.2.7:80 speaks HTTP/1, not TLS: proxy_pass http:// fits it");
  // A record broken later on: that was inside of TLS.
  EXPECT_EQ(
      NamesOf(Answer(Protocol::kHttps, Cause::kTlsProtocolError, Speaks::kHttp1,
                     "SSL_read() failed (SSL: error:x:SSL "
                     "routines::decryption failed or bad record mac)")),
      "");
}

TEST(FindingsTlsTest, WhatIsExpectedIsNotWrong) {
  const struct {
    Protocol protocol;
    Speaks speaks;
  } kCases[] = {
      {Protocol::kHttp, Speaks::kHttp1},
      {Protocol::kHttps, Speaks::kHttp1},
      {Protocol::kHttps, Speaks::kTls},
      {Protocol::kUwsgi, Speaks::kHttp1},
      {Protocol::kUwsgi, Speaks::kCgi},
      {Protocol::kScgi, Speaks::kCgi},
      {Protocol::kScgi, Speaks::kHttp1},
      {Protocol::kGrpc, Speaks::kHttp2},
      {Protocol::kFastcgi, Speaks::kFastcgi},
      {Protocol::kMemcached, Speaks::kMemcached},
      {Protocol::kTunnel, Speaks::kSsh},
      {Protocol::kUnknown, Speaks::kSsh},
      {Protocol::kHttp, Speaks::kUnknown},
      {Protocol::kHttp, static_cast<Speaks>(kSpeaksCount)},
      {static_cast<Protocol>(99), Speaks::kSsh},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(NamesOf(Answer(c.protocol, Cause::kHeaderInvalid, c.speaks)), "")
        << static_cast<int>(c.protocol) << static_cast<int>(c.speaks);
  }
  // proxy_pass may speak HTTP/2.
  EXPECT_EQ(
      NamesOf(Answer(Protocol::kHttp, Cause::kProtocolError, Speaks::kHttp2,
                     "upstream sent unexpected http2 frame: 9")),
      "");
  EXPECT_EQ(NamesOf(Answer(Protocol::kHttp, Cause::kReadTimeout, Speaks::kSsh)),
            "");
}

TEST(FindingsTlsTest, MessagesThatTellTheProtocol) {
  const struct {
    Protocol protocol;
    Cause cause;
    absl::string_view message;
    absl::string_view says;
  } kCases[] = {
      {Protocol::kGrpc, Cause::kProtocolError,
       "upstream sent too large http2 frame: 4740180",
       "speaks HTTP/1: proxy_pass http://"},
      {Protocol::kFastcgi, Cause::kProtocolError,
       "upstream sent unsupported FastCGI protocol version: 72",
       "does not speak FastCGI, its answer begins with byte 72 (H, as HTTP "
       "does): an HTTP server needs proxy_pass http://"},
      {Protocol::kFastcgi, Cause::kProtocolError,
       "upstream sent unsupported FastCGI protocol version: 83",
       "begins with byte 83"},
      {Protocol::kMemcached, Cause::kProtocolError,
       "memcached sent invalid response: \"HTTP/1.1 400 Bad Request\"",
       "speaks HTTP/1: proxy_pass http://"},
      {Protocol::kHttps, Cause::kTlsProtocolError,
       "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong "
       "version number)",
       "does not speak TLS, plain text came: proxy_pass http:// fits"},
      {Protocol::kGrpcs, Cause::kTlsProtocolError,
       "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong "
       "version number)",
       "grpc_pass grpc:// fits"},
      {Protocol::kHttps, Cause::kTlsProtocolError,
       "upstream prematurely sent response",
       "it sent plain text before the handshake"},
  };
  for (const auto& c : kCases) {
    const FindingScene scene =
        Answer(c.protocol, c.cause, Speaks::kUnknown, c.message);
    EXPECT_EQ(NamesOf(scene), "wrong_protocol") << c.message;
    const std::string text = Says(scene, Finding::kWrongProtocol);
    EXPECT_TRUE(absl::StrContains(text, c.says)) << text << "\n" << c.says;
  }
  for (const absl::string_view message :
       {"upstream sent too large http2 frame: 16777215",
        "upstream sent too large http2 frame: x",
        "upstream sent unsupported FastCGI protocol version: ",
        "memcached sent invalid response: \"hello\""}) {
    EXPECT_EQ(NamesOf(Answer(Protocol::kGrpc, Cause::kProtocolError,
                             Speaks::kUnknown, message)),
              "")
        << message;
  }
}

// Nor where nobody looked at how it began.
TEST(FindingsTlsTest, ABadRecordBehindARightOneIsNoOtherProtocol) {
  FindingScene scene =
      Answer(Protocol::kFastcgi, Cause::kProtocolError, Speaks::kFastcgi,
             "upstream sent unsupported FastCGI protocol version: 10");
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence.speaks = Speaks::kUnknown;
  EXPECT_EQ(NamesOf(scene), "wrong_protocol");
  scene.evidence.asked = 0;
  EXPECT_EQ(NamesOf(scene), "");
}

TEST(FindingsTlsTest, Http2ErrorCodes) {
  EXPECT_EQ(Says(Answer(Protocol::kGrpc, Cause::kProtocolError,
                        Speaks::kUnknown, "upstream sent goaway with error 0"),
                 Finding::kH2Error),
            "192.0.2.7:80 ended the connection with NO_ERROR (0): the server "
            "ends the connection in an orderly way, as for a restart or its "
            "limit on age or requests");
  EXPECT_TRUE(absl::StrContains(
      Says(Answer(Protocol::kGrpc, Cause::kProtocolError, Speaks::kUnknown,
                  "upstream rejected request with error 7"),
           Finding::kH2Error),
      "ended the stream with REFUSED_STREAM (7): "));
  EXPECT_TRUE(absl::EndsWith(
      Says(Answer(Protocol::kGrpc, Cause::kProtocolError, Speaks::kUnknown,
                  "upstream rejected request with error 0"),
           Finding::kH2Error),
      "NO_ERROR (0): the server closed the stream without an answer"));
  for (const absl::string_view message :
       {"upstream rejected request with error 14",
        "upstream rejected request with error 99999999999",
        "upstream rejected request with error ",
        "upstream prematurely closed stream"}) {
    EXPECT_EQ(NamesOf(Answer(Protocol::kGrpc, Cause::kProtocolError,
                             Speaks::kUnknown, message)),
              "")
        << message;
  }
}

// A header of the right protocol was read before.
TEST(FindingsTlsTest, NoOtherProtocolBehindAHeaderThatWasRead) {
  FindingScene scene = {
      {.cause = Cause::kProtocolError,
       .phase = Phase::kBody,
       .protocol = Protocol::kFastcgi},
      {.peer = "127.0.0.1:9000",
       .message = "upstream sent unsupported FastCGI protocol version: 72"}};
  EXPECT_EQ(NamesOf(scene), "wrong_protocol");
  scene.failure.received_status = 200;
  EXPECT_EQ(NamesOf(scene), "");
}

}  // namespace
}  // namespace upstream_502
