// Findings about names, the servers of a group, what this machine ran out of,
// and why nginx asked no other server.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "findings_case.h"
#include "upstream_502/advice/address.h"
#include "upstream_502/verdict/line.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

// nginx's resolver has the codes of DNS, and one of its own.
constexpr int kServfail = 2;
constexpr int kRefused = 5;
constexpr int kNoAnswer = 110;

std::string UnresolvedName(const FindingCase& c) {
  const absl::string_view message = c.text.message;
  return Plain(message.substr(0, message.rfind(" could not be resolved")), 80);
}

// NXDOMAIN is an answer.
void FindResolver(const FindingCase& c) {
  const absl::string_view servers = c.Items(Named::kResolvers);
  const int code = ResolverCode(c.text.message);
  if (servers.empty() ||
      (code != kServfail && code != kRefused && code != kNoAnswer)) {
    return;
  }
  const std::string asked =
      absl::StrCat(Plain(servers, Evidence::kTextRoom), c.MoreItems());
  c.Say(Finding::kResolverUnanswered, UnresolvedName(c),
        c.evidence.named_count > 1 ? ": name servers " : ": name server ",
        asked,
        code == kNoAnswer   ? " did not answer within resolver_timeout"
        : code == kServfail ? " answered SERVFAIL: it failed to look the name "
                              "up"
                            : " answered REFUSED: it does not serve this "
                              "machine");
}

void FindHosts(const FindingCase& c) {
  const absl::string_view address = c.Items(Named::kHosts);
  if (c.evidence.in_hosts == Seen::kYes && !address.empty()) {
    c.Say(Finding::kHostsOnly, "the name is ", Plain(address, 60),
          " in /etc/hosts, which nginx's resolver does not read");
  }
}

std::string FailedWords(const ServerFacts& server) {
  std::string words = absl::StrCat(
      "failed ", Counted(server.fails, "time", "times"), " (last ");
  absl::StrAppend(&words, server.last_cause == Cause::kUnknown
                              ? "for a cause not known"
                              : CauseName(server.last_cause));
  if (server.seconds_ago >= 0) {
    absl::StrAppend(&words, ", ", server.seconds_ago, " s ago");
  }
  if (server.seconds_more >= 0) {
    absl::StrAppend(&words, "; out for ", server.seconds_more, " s more");
  }
  return words + ")";
}

std::string ServerWords(const ServerFacts& server) {
  std::string address = Plain(server.address, 60) + " ";
  switch (server.out) {
    case ServerOut::kDown:
      return address + "is marked down";
    case ServerOut::kMaxConns:
      return absl::StrCat(address, "has ", server.conns, " of ",
                          server.max_conns, " connections (max_conns)");
    case ServerOut::kFailed:
      return address + FailedWords(server);
    case ServerOut::kTried:
      return address + "was tried by this request";
  }
  return address;
}

// Whether this machine ran out of ports, nearly: the kernel looks at some only.
bool IsUsedUp(int32_t used, int32_t max) {
  return used >= 0 && max > 0 && int64_t{used} * 10 >= int64_t{max} * 9;
}

void FindConnections(const FindingCase& c) {
  const Evidence& e = c.evidence;
  if (e.connections_used >= 0 && e.connections_max > 0 &&
      absl::EndsWith(c.text.message, "worker_connections are not enough")) {
    c.Say(Finding::kConnectionsUsed, e.connections_used, " of ",
          e.connections_max,
          " connections of this worker are in use (worker_connections; a "
          "proxied request takes two)");
  }
}

void FindFiles(const FindingCase& c) {
  const Evidence& e = c.evidence;
  constexpr int kEnfile = 23;
  constexpr int kEmfile = 24;
  const int number = c.failure.errno_number;
  if (e.files_used < 0 || e.files_max <= 0) {
    return;
  }
  if (number == kEmfile && e.files_of == FilesOf::kProcess) {
    c.Say(Finding::kFilesUsed, e.files_used, " of ", e.files_max,
          " descriptors of this worker are in use (worker_rlimit_nofile)");
  } else if (number == kEnfile && e.files_of == FilesOf::kMachine) {
    c.Say(Finding::kFilesUsed, e.files_used, " of ", e.files_max,
          " files of the whole machine are open (fs.file-max)");
  }
}

void FindPorts(const FindingCase& c) {
  const Evidence& e = c.evidence;
  if (!IsUsedUp(e.ports_used, e.ports_max)) {
    return;
  }
  constexpr absl::string_view kAct =
      ": keepalive in upstream{} needs fewer, net.ipv4.ip_local_port_range "
      "gives more";
  switch (e.ports_of) {
    case PortsOf::kNotAsked:
      return;
    case PortsOf::kPeer:
    case PortsOf::kPeerAtLeast:
      c.Say(Finding::kPortsUsed,
            e.ports_of == PortsOf::kPeer ? "" : "at least ", e.ports_used,
            " of ", e.ports_max, " local ports are in use towards ", c.Peer(),
            kAct);
      return;
    case PortsOf::kMachine:
      c.Say(Finding::kPortsUsed, "this machine has ", e.ports_used,
            " TCP sockets, and ", e.ports_max, " local ports for each address",
            kAct);
      return;
  }
}

// The word of *_next_upstream for the failure; "" where there is none.
std::string NextUpstreamWord(const FindingCase& c) {
  const Failure& f = c.failure;
  switch (f.cause) {
    case Cause::kConnectionTimeout:
      // The kernel gives up by itself, too.
      return absl::StartsWith(c.text.message, "connect() failed") ? "error"
                                                                  : "timeout";
    case Cause::kTlsTimeout:
    case Cause::kSendTimeout:
    case Cause::kReadTimeout:
      return "timeout";
    case Cause::kHeaderTooBig:
    case Cause::kHeaderInvalid:
    case Cause::kProtocolError:
      return "invalid_header";
    case Cause::kHeaderIncomplete:
      return absl::StartsWith(c.text.message,
                              "upstream prematurely closed stream")
                 ? "invalid_header"
                 : "error";
    case Cause::kErrorStatus:
      for (const int status : {403, 404, 429, 500, 502, 503, 504}) {
        if (status == f.received_status) {
          return absl::StrCat("http_", status);
        }
      }
      return "";
    case Cause::kConnectionRefused:
    case Cause::kConnectionUnreachable:
    case Cause::kConnectionFailed:
    case Cause::kSocketMissing:
    case Cause::kPermissionDenied:
    case Cause::kBacklogFull:
    case Cause::kLocalExhausted:
    case Cause::kTlsProtocolError:
    case Cause::kTlsCertificateInvalid:
    case Cause::kTlsClosed:
    case Cause::kSendReset:
    case Cause::kKeepaliveRace:
    case Cause::kClosedBeforeResponse:
    case Cause::kResetBeforeResponse:
      return "error";
    case Cause::kResolverMissing:
    case Cause::kDnsError:
    case Cause::kDnsTimeout:
    case Cause::kNoLiveUpstreams:
    case Cause::kBodyIncomplete:
    case Cause::kBodyTimeout:
    case Cause::kInternalError:
    case Cause::kUnknown:
      return "";
  }
  return "";
}

// Behind "no other server was asked: "; "" where it is not known.
std::string NotRetriedWords(const FindingCase& c) {
  const std::string directive = c.Directive("_next_upstream");
  switch (c.failure.not_retried) {
    case NotRetried::kUnknown:
      return "";
    case NotRetried::kOnlyServer:
      return "the group has this one only";
    case NotRetried::kNotListed: {
      const std::string word = NextUpstreamWord(c);
      return word.empty()
                 ? absl::StrCat(directive, " does not have this case")
                 : absl::StrCat(directive, " does not have \"", word, "\"");
    }
    case NotRetried::kMethod:
      return absl::StrCat(
          c.text.method.empty() ? "the method" : Plain(c.text.method, 30),
          " is not repeated once it was sent; \"non_idempotent\" in ",
          directive, " would");
    case NotRetried::kTries:
      return absl::StrCat(directive, "_tries ", c.failure.next_limit,
                          " is used up");
    case NotRetried::kTimeout:
      return absl::StrCat(directive, "_timeout ",
                          ConfigTime(c.failure.next_limit), " is used up");
    case NotRetried::kBegun:
      return "the response was on its way to the client";
    case NotRetried::kStreamed:
      return absl::StrCat(
          "the request's body was passed on as it came and is not kept (",
          c.Directive("_request_buffering"), " off)");
    case NotRetried::kNoneLeft:
      return c.failure.group_size > 0
                 ? absl::StrCat(
                       "none was left of the group's ",
                       Counted(c.failure.group_size, "server", "servers"))
                 : "the group had no other one";
  }
  return "";
}

// Whether somebody at the address of before has taken the request. A name that
// is one address after the other (a CDN's, a balancer's) has not moved then:
// what is asked for is slow.
bool IsServedThere(const FindingCase& c) {
  const Evidence& e = c.evidence;
  return c.failure.cause == Cause::kReadTimeout &&
         (c.failure.bytes_received > 0 ||
          (c.IsHere() ? e.accepted == Seen::kYes
                      : e.unacknowledged_bytes == 0));
}

}  // namespace

void FindMoved(const FindingCase& c) {
  const Moved moved = MovedOf(c.evidence);
  if (moved.now.empty() || IsServedThere(c)) {
    return;
  }
  const int32_t seconds = c.evidence.moved_seconds;
  c.Say(Finding::kNameMoved, moved.name, " was ", moved.old,
        " when the configuration was loaded, and nginx still connects there; ",
        seconds > 0 ? "it has resolved to " : "it now resolves to ", moved.now,
        c.MoreItems(),
        seconds > 0 ? absl::StrCat(" for at least ", seconds, " s") : "",
        c.evidence.follows == Seen::kYes
            ? ": reload nginx, or use \"server ... resolve\""
            : ": reload nginx");
}

void FindResolve(const FindingCase& c) {
  FindHosts(c);
  FindResolver(c);
}

void FindPeers(const FindingCase& c) {
  constexpr size_t kRoom = 270;
  std::string servers;
  size_t told = 0;
  for (const absl::string_view item :
       absl::StrSplit(c.Items(Named::kServers), ", ")) {
    ServerFacts server;
    if (!ParseServer(item, &server)) {
      continue;
    }
    const std::string words = ServerWords(server);
    if (servers.size() + words.size() > kRoom) {
      break;
    }
    absl::StrAppend(&servers, servers.empty() ? "" : ", ", words);
    ++told;
  }
  if (told > 0) {
    const size_t all = std::max<size_t>(c.evidence.named_count, told);
    c.Say(Finding::kPeersDown, servers,
          all > told ? absl::StrCat(", and ", all - told, " more") : "");
  }
}

void FindLimits(const FindingCase& c) {
  FindConnections(c);
  FindFiles(c);
  FindPorts(c);
}

void FindRetries(const FindingCase& c) {
  const Failure& f = c.failure;
  // The attempt went well there, and another request has found it of no use.
  const bool of_auth = AuthStatus(c.text.message) != -1;
  const std::string words = of_auth ? "" : NotRetriedWords(c);
  if (!words.empty() && f.rescued == 0) {
    c.Say(Finding::kNotRetried, "no other server was asked: ", words);
  }
  if (f.sent_to >= 2) {
    c.Say(Finding::kSentAgain, "the request had been sent ",
          f.group_size == 1 ? "" : "to ",
          f.sent_to == UINT8_MAX ? "at least " : "", f.sent_to,
          f.group_size == 1 ? " times" : " servers",
          ": it may have been carried out so many times");
  }
}

}  // namespace upstream_502
