// The shell commands that checks are made of.

#include "upstream_502/advice/commands.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "upstream_502/words/escape.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

constexpr size_t kMaxUri = 200;

// More than the socket buffers on the way hold.
constexpr uint64_t kUpload = 8000000;

// `flags` are ss's, before and after its kind. Nothing where there is neither
// port nor path.
std::string Sockets(const PeerAddress& address, absl::string_view before,
                    absl::string_view after) {
  if (!address.path.empty()) {
    return absl::StrCat("ss -", before, "lx", after, " src ", address.path);
  }
  return address.port.empty() ? ""
                              : absl::StrCat("ss -", before, "lt", after,
                                             " 'sport = :", address.port, "'");
}

// What stands in for ss where an image has none: the kernel's own tables, in
// which a listening socket is in state 0A and its queue is the second number.
std::string Tables(const PeerAddress& address) {
  if (!address.path.empty()) {
    return absl::StrCat(" || grep -F ", address.path, " /proc/net/unix");
  }
  int port = 0;
  std::string tables;
  if (absl::SimpleAtoi(address.port, &port)) {
    AppendFormat(&tables, " || grep ':%04X 0*:0000 0A ' /proc/net/tcp*", port);
  }
  return tables;
}

// What follows a command: where it has to be run, what its output means.
std::string Comment(const PeerAddress& address,
                    absl::string_view meaning = "") {
  const bool here = address.loopback || address.host.empty();
  return absl::StrCat(here && meaning.empty() ? "" : "  # ",
                      here ? "" : absl::StrCat("on ", address.host),
                      here || meaning.empty() ? "" : ": ", meaning);
}

// The processes that have the listening socket, a number a line, and what to
// do with them.
std::string WithPids(const PeerAddress& address, absl::string_view then) {
  const std::string sockets = Sockets(address, "H", "np");
  return sockets.empty() ? ""
                         : absl::StrCat(sockets,
                                        " | grep -o 'pid=[0-9]*' | cut -d= -f2 "
                                        "| sort -u | ",
                                        then);
}

std::string WithComment(const PeerAddress& address, absl::string_view command,
                        absl::string_view meaning = "") {
  return command.empty() ? ""
                         : absl::StrCat(command, Comment(address, meaning));
}

std::string Url(const PeerAddress& address, absl::string_view scheme,
                absl::string_view text_uri) {
  const bool usable = absl::StartsWith(text_uri, "/") &&
                      text_uri.size() <= kMaxUri && IsPrintable(text_uri);
  const absl::string_view uri = usable ? text_uri : "/";
  if (!address.path.empty()) {
    return absl::StrCat("--unix-socket ", address.path, " ",
                        ShellQuote(absl::StrCat(scheme, "localhost", uri)));
  }
  const std::string host =
      address.ipv6 ? absl::StrCat("[", address.host, "]") : address.host;
  return ShellQuote(absl::StrCat(scheme, host, ":", address.port, uri));
}

// What makes a request like the one that failed.
std::string Likeness(const Failure& failure, const FailureText& text) {
  if (failure.received_status == 101) {
    return "-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H "
           "'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: "
           "AAAAAAAAAAAAAAAAAAAAAA==' ";
  }
  if (text.method == "HEAD") {
    return "-I ";
  }
  const bool sends = failure.cause == Cause::kSendReset ||
                     failure.cause == Cause::kSendTimeout;
  if (!sends) {
    return "";
  }
  const absl::string_view method = text.method == "PUT" ? "PUT" : "POST";
  return absl::StrCat("-X ", method, " --data-binary @- ");
}

}  // namespace

std::string HostPort(const PeerAddress& address) {
  if (address.host.empty() || address.port.empty()) {
    return "";
  }
  return address.ipv6
             ? absl::StrCat("'[", address.host, "]:", address.port, "'")
             : absl::StrCat(address.host, ":", address.port);
}

std::string ConnectTo(const PeerAddress& address) {
  return HostPort(address).empty()
             ? ""
             : absl::StrCat("nc -vz -w 3 ", address.host, " ", address.port,
                            " || timeout 3 bash -c '</dev/tcp/", address.host,
                            "/", address.port, "' && echo connected");
}

std::string ListenersOf(const PeerAddress& address) {
  const std::string sockets = Sockets(address, "", "np");
  return sockets.empty()
             ? ""
             : absl::StrCat(sockets, Tables(address), Comment(address));
}

std::string OnlyListenersOf(const PeerAddress& address) {
  const std::string sockets = Sockets(address, "H", "np");
  return sockets.empty() ? "" : absl::StrCat(sockets, Tables(address));
}

std::string QueueOf(const PeerAddress& address) {
  const std::string sockets = Sockets(address, "", "n");
  return sockets.empty()
             ? ""
             : absl::StrCat(sockets, Tables(address),
                            Comment(address, "Recv-Q wait, Send-Q have room"));
}

std::string StatusOf(const PeerAddress& address) {
  return WithComment(
      address,
      WithPids(address, "head -n 1 | xargs -r systemctl --no-pager -l status"));
}

std::string StatusOfUnit(const PeerAddress& address, absl::string_view unit) {
  return WithComment(address, absl::StrCat("systemctl status ", unit));
}

std::string StartTimesOf(const PeerAddress& address) {
  return WithComment(address,
                     WithPids(address, "xargs -r ps -o pid,lstart,args -p"),
                     "what serves there; one younger than the failure was "
                     "started after it");
}

std::string KillsOn(const PeerAddress& address) {
  return WithComment(address,
                     "journalctl --since -10min -k | grep -iE "
                     "'segfault|traps:|killed process'");
}

std::string NamespacesOf(const PeerAddress& address) {
  return WithPids(address,
                  "xargs -rI{} readlink /proc/{}/ns/mnt /proc/$(pgrep -o "
                  "nginx)/ns/mnt  # two numbers: they see different files");
}

std::string ConnectionsTo(const PeerAddress& address) {
  return HostPort(address).empty()
             ? ""
             : absl::StrCat("ss -Htan dst ", HostPort(address),
                            " | cut -d' ' -f1 | sort | uniq -c");
}

std::string Permitted(const PeerAddress& address, const Evidence* evidence) {
  if (address.path.empty()) {
    return "";
  }
  const bool seen = evidence != nullptr && evidence->uid != Evidence::kNoUser;
  return absl::StrCat(
      "setpriv ",
      seen ? absl::StrCat("--reuid ", evidence->uid, " --regid ", evidence->gid)
           : "--reuid $(ps -o uid= -C nginx | tail -n 1) --regid $(ps -o gid= "
             "-C nginx | tail -n 1)",
      seen ? absl::StrCat(" $(getent passwd ", evidence->uid,
                          " >/dev/null && echo --init-groups || echo "
                          "--clear-groups)")
           : " --init-groups",
      " sh -c 'test -w \"$0\" && echo nginx may connect || echo nginx may not "
      "connect' ",
      address.path, "  # as root");
}

// dig takes no brackets around an address, and its own option for a port.
std::string Resolve(absl::string_view name, const Evidence* evidence) {
  std::string asked;
  if (evidence != nullptr && evidence->named == Named::kResolvers) {
    for (const absl::string_view server :
         absl::StrSplit(evidence->Text(), ", ")) {
      const PeerAddress address = ParsePeer(server);
      if (!address.host.empty() && !address.port.empty()) {
        absl::StrAppend(&asked, asked.empty() ? "" : "; ", "dig ", name, " @",
                        address.host, " -p ", address.port);
      }
    }
  }
  return absl::StrCat(
      "if command -v dig >/dev/null; then ",
      asked.empty()
          ? absl::StrCat("nginx -T 2>/dev/null | sed -nE 's/^[^#]*resolver "
                         "+([^ ;]+).*/@\\1/; s/:([0-9]+)$/ -p \\1/; s/[][]//g; "
                         "/^@/p' | sort -u | xargs -L 1 dig ",
                         name)
          : asked,
      "; else getent ahosts ", name, "; fi");
}

std::string CapacityOf(const PeerAddress& address) {
  return WithComment(
      address,
      WithPids(
          address,
          "xargs -r ps -o rss= -p | awk '{ s += $1; n++ } END { while "
          "((getline l "
          "< \"/proc/meminfo\") > 0) if (l ~ /^MemAvailable/) { split(l, f); a "
          "= "
          "f[2] } if (n) printf \"%d processes of %d MB, %d MB available: room "
          "for %d, a fifth kept back\\n\", n, s / n / 1024, a / 1024, n + 0.8 "
          "* a "
          "* n / s }'"),
      "a limit of its own (MemoryMax=, of the container) is lower");
}

std::string ConfigWith(const std::vector<absl::string_view>& words,
                       absl::string_view flags) {
  std::string command = absl::StrCat("nginx -T 2>&1 | grep ", flags);
  for (const absl::string_view word : words) {
    if (!word.empty()) {
      absl::StrAppend(&command, " -e ", ShellQuote(word));
    }
  }
  return absl::StrCat(
      command,
      " -e '[emerg]'  # as root, with the -c of the running one: ps -C nginx "
      "-o args");
}

std::string NginxLog() {
  return "l=$(nginx -T 2>/dev/null | sed -nE 's/^[[:space:]]*error_log +(\\/[^ "
         ";]+).*/"
         "\\1/p' | sort -u); tail -n 50 ${l:-/var/log/nginx/error.log}";
}

// Its title names the file that the master runs with; where none listens, the
// usual places.
std::string PhpConfigWith(const PeerAddress& address,
                          absl::string_view expression) {
  const std::string folder =
      WithPids(address,
               "xargs -r ps -o args= -p | sed -n 's/.*master process "
               "(\\(.*\\)\\/[^/]*)/\\1/p' | head -n 1");
  return absl::StrCat(folder.empty() ? "" : absl::StrCat("d=$(", folder, "); "),
                      "grep -rsnE --include='*.conf' '^ *", expression, "' ",
                      folder.empty() ? "" : "${d:-", "/etc/php* /usr/local/etc",
                      folder.empty() ? "" : "}", Comment(address));
}

// The log that the master has open; where none listens, the usual one.
std::string PhpLog(const PeerAddress& address) {
  constexpr absl::string_view kUsual =
      "/var/log/php*fpm*.log /var/log/php*/*error.log";
  const std::string files =
      WithPids(address,
               "xargs -rI{} sh -c 'readlink /proc/{}/fd/*' | grep 'log$' | "
               "sort -u");
  return absl::StrCat(
      files.empty()
          ? absl::StrCat("tail -n 30 ", kUsual)
          : absl::StrCat("l=$(", files, "); tail -n 30 ${l:-", kUsual, "}"),
      Comment(address));
}

std::string FetchFrom(const PeerAddress& address, const Failure& failure,
                      const FailureText& text, absl::string_view flags) {
  const bool tls = failure.protocol == Protocol::kHttps;
  const bool reachable = !address.path.empty() || !HostPort(address).empty();
  if ((failure.protocol != Protocol::kHttp && !tls) || !reachable) {
    return "";
  }
  const std::string likeness = Likeness(failure, text);
  const bool lasts =
      failure.received_status == 101 || failure.event_stream != 0;
  // -g: a URI's brackets are no globs.
  return absl::StrCat(absl::StrContains(likeness, "@-")
                          ? absl::StrCat("head -c ", kUpload, " /dev/zero | ")
                          : "",
                      "curl -sSg -m ", lasts ? "5 " : "90 ", tls ? "-k " : "",
                      likeness, flags, " ",
                      Url(address, tls ? "https://" : "http://", text.uri));
}

std::string FetchLike(const PeerAddress& address, const Failure& failure,
                      const FailureText& text, absl::string_view flags) {
  const std::string fetch = FetchFrom(address, failure, text, flags);
  return fetch.empty()
             ? ""
             : absl::StrCat(fetch, "  # nginx may send other headers, another ",
                            failure.protocol == Protocol::kHttps
                                ? "name for TLS or "
                                : "",
                            "URI");
}

std::string CertificateOf(const PeerAddress& address, absl::string_view name,
                          absl::string_view wanted) {
  const std::string where = !address.path.empty()
                                ? absl::StrCat("-unix ", address.path)
                            : HostPort(address).empty()
                                ? ""
                                : absl::StrCat("-connect ", HostPort(address));
  if (where.empty()) {
    return "";
  }
  return absl::StrCat(
      "openssl s_client ", where,
      name.empty() ? "" : absl::StrCat(" -servername ", name), " </dev/null",
      wanted.empty() ? "" : absl::StrCat(" | openssl x509 -noout ", wanted));
}

std::string VerdictOn(const PeerAddress& address, absl::string_view name,
                      absl::string_view prefix) {
  const std::string shown = CertificateOf(address, name, "");
  return shown.empty()
             ? ""
             : absl::StrCat(
                   "c=$(nginx -T 2>/dev/null | tr -s '[:space:]' ' '); "
                   "d=$(echo "
                   "\"$c\" | grep -oE '",
                   prefix,
                   "_ssl_verify_depth [0-9]+' | head -n 1 | cut -d' ' -f2); "
                   "for "
                   "f in $(echo \"$c\" | grep -oE '",
                   prefix,
                   "_ssl_trusted_certificate [^ ;]+' | cut -d' ' -f2 | sort "
                   "-u); do echo $f: $(",
                   shown,
                   " -CAfile $f -verify_depth ${d:-1} 2>&1 | grep -m 1 -E "
                   "'Verify return|errno'); done");
}

std::string TlsVersionsOf(const PeerAddress& address) {
  const std::string host_port = HostPort(address);
  return host_port.empty()
             ? ""
             : absl::StrCat(
                   "for v in tls1 tls1_1 tls1_2 tls1_3; do echo $v: $(openssl "
                   "s_client -connect ",
                   host_port,
                   " -$v -cipher DEFAULT:@SECLEVEL=0 </dev/null 2>&1 | grep "
                   "'Cipher is'); done");
}

}  // namespace upstream_502
