// The checks after a failure of TLS.

#include "upstream_502/advice/tls_checks.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "upstream_502/advice/commands.h"
#include "upstream_502/advice/reading.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

// Keys and signatures of all certificates that are sent.
constexpr absl::string_view kStrengths =
    " -showcerts 2>/dev/null | openssl storeutl -noout -text -certs "
    "/dev/stdin 2>/dev/null | grep -E 'Subject:|Public-Key|Signature "
    "Algorithm'";

// What is agreed on where nothing is too weak. TLS 1.3 has nothing that is.
constexpr absl::string_view kAgreed =
    " -no_tls1_3 -cipher DEFAULT:@SECLEVEL=0 2>/dev/null | grep -E 'Temp "
    "Key|public key|Peer sign'";

// What became of a handshake.
constexpr absl::string_view kOutcome =
    " 2>&1 | grep -E 'Cipher is|alert|errno|:error:|Acceptable client|Client "
    "Certificate Types|^Requested Sig'  # the last three: it wants a "
    "certificate";

// The name that did not match, which nginx puts into quotation marks.
std::string QuotedName(absl::string_view message) {
  const std::vector<absl::string_view> parts = absl::StrSplit(message, '"');
  return parts.size() == 3 ? HostName(parts[1]) : "";
}

// The number of issuers to look at where nginx looked at fewer than came; else
// 0.
int Depth(const Evidence* evidence) {
  return evidence != nullptr && evidence->verify_depth != 0xff &&
                 evidence->chain_length > evidence->verify_depth + 1
             ? evidence->chain_length - 1
             : 0;
}

// Nothing but a host's name goes into a directive; one with an asterisk is for
// many.
std::string CarriedName(const Evidence& evidence) {
  if (evidence.named == Named::kCertificateNames) {
    for (const absl::string_view name : absl::StrSplit(evidence.Text(), ", ")) {
      if (std::string host = HostName(name); host == name) {
        return host;
      }
    }
  }
  return "";
}

// The name that was sent, or would be asked for; "" where none was sent.
std::string SentName(const FailureText& text, const Evidence* evidence) {
  if (evidence != nullptr && evidence->sni == Seen::kNo) {
    return "";
  }
  return evidence != nullptr && evidence->named == Named::kServerName
             ? HostName(evidence->Text())
             : HostName(text);
}

class Advisor {
 public:
  Advisor(const Failure& failure, const FailureText& text,
          const PeerAddress& address, const Evidence* evidence)
      : failure_(failure),
        address_(address),
        name_(SentName(text, evidence)),
        refused_(QuotedName(text.message)),
        prefix_(DirectivePrefix(failure.protocol)),
        depth_(Depth(evidence)),
        reading_(depth_ > 0 ? Reading::kCertificateChain
                            : ReadingOf(failure, text)),
        sni_(evidence != nullptr && evidence->sni == Seen::kYes),
        weak_issuer_(absl::StrContains(text.message, "error: (67:")),
        carried_(evidence == nullptr ? "" : CarriedName(*evidence)) {}

  std::vector<std::string> Take() {
    switch (failure_.cause) {
      case Cause::kTlsCertificateInvalid:
        Verified();
        break;
      case Cause::kTlsTimeout:
        Timeout();
        break;
      default:
        Handshake();
    }
    return std::move(checks_);
  }

 private:
  template <typename... Parts>
  void Add(const Parts&... parts) {
    std::string check = absl::StrCat(parts...);
    if (!check.empty()) {
      checks_.push_back(std::move(check));
    }
  }

  void Certificate(absl::string_view wanted, absl::string_view then = "") {
    Show(name_, wanted, then);
  }
  void Show(absl::string_view name, absl::string_view wanted,
            absl::string_view then) {
    const std::string command = CertificateOf(address_, name, wanted);
    if (!command.empty()) {
      Add(command, then);
    }
  }

  void Handshake();
  void Verified();
  void Timeout();

  const Failure& failure_;
  const PeerAddress& address_;
  const std::string name_;
  const std::string refused_;  // the name that the certificate is not for
  const absl::string_view prefix_;
  const int depth_;
  const Reading reading_;
  const bool sni_;  // a name was sent
  const bool weak_issuer_;
  const std::string carried_;  // a name that the certificate is for
  std::vector<std::string> checks_;
};

// It need not end by itself.
void Advisor::Timeout() {
  if (const std::string shown = CertificateOf(address_, name_, "");
      !shown.empty()) {
    Add("timeout 10 ", shown,
        " 2>&1 | grep 'Cipher is [A-Z]' || echo no handshake within 10 s");
  }
  Add(QueueOf(address_));
  Add(prefix_, "_connect_timeout ",
      ConfigTime(failure_.limit > 0 ? 2 * failure_.limit : 120000),
      ";  # only if a handshake may take that long");
}

void Advisor::Handshake() {
  switch (reading_) {
    case Reading::kTlsPlainPort:
      if (const std::string where = HostPort(address_); !where.empty()) {
        Add("curl -sSv -o /dev/null http://", where,
            "/  # plain text is answered");
      }
      return;
    case Reading::kTlsVersion:
    case Reading::kTlsVersionHere:
      Add(TlsVersionsOf(address_));
      Add(prefix_,
          "_ssl_protocols TLSv1.2 TLSv1.3;  # if it speaks one of "
          "them");
      Add(prefix_, "_ssl_protocols TLSv1 TLSv1.1; ", prefix_,
          "_ssl_ciphers DEFAULT:@SECLEVEL=0;  # if it speaks no other");
      return;
    case Reading::kTlsWeakHere:
      Certificate("", kAgreed);
      Add(prefix_, "_ssl_ciphers DEFAULT:@SECLEVEL=0;  # until it is renewed");
      return;
    case Reading::kTlsRenegotiation:
      Certificate("", kOutcome);
      Add(prefix_,
          "_ssl_conf_command Options UnsafeLegacyServerConnect;  # until it is "
          "updated");
      return;
    case Reading::kTlsClientWanted:
    case Reading::kTlsClientRefused:
      Certificate("",
                  " | sed -n '/CA names/,/^---/p'  # Requested: it wants one");
      Add(prefix_, "_ssl_certificate FILE; ", prefix_,
          "_ssl_certificate_key FILE;  # of a CA named there");
      return;
    default:
      // With the name and without.
      Certificate("", kOutcome);
      if (!name_.empty()) {
        Show("", "", kOutcome);
      }
      if (!sni_) {
        Add(prefix_, "_ssl_server_name on;");
      }
      Add(TlsVersionsOf(address_));
  }
}

void Advisor::Verified() {
  switch (reading_) {
    case Reading::kCertificateName:
      Certificate("-subject -ext subjectAltName",
                  refused_.empty() ? "" : " -checkhost " + refused_);
      Add(prefix_, "_ssl_name ", carried_.empty() ? "NAME" : carried_,
          ";  # one of those the certificate carries, if it is the right one");
      return;
    case Reading::kCertificateDates:
      Certificate("-dates", "; date -u");
      Add(VerdictOn(address_, name_, prefix_));
      return;
    case Reading::kCertificateChain:
      Certificate("", " | grep -E '^ *[0-9]* [si]:'");
      Add(VerdictOn(address_, name_, prefix_));
      Add(prefix_, "_ssl_verify_depth ", depth_ > 0 ? depth_ : 3,
          ";  # the number of certificates above the first");
      return;
    case Reading::kCertificateWeak:
      // A root is not sent.
      if (!weak_issuer_) {
        Certificate("", kStrengths);
      }
      Add(VerdictOn(address_, name_, prefix_));
      return;
    default:
      Certificate("-subject -issuer -dates -ext subjectAltName");
      Add(VerdictOn(address_, name_, prefix_));
      Add("nginx -T 2>/dev/null | grep -nE '", prefix_,
          "_ssl_(trusted_certificate|name|verify)'");
  }
}

}  // namespace

std::vector<std::string> TlsChecks(const Failure& failure,
                                   const FailureText& text,
                                   const PeerAddress& address,
                                   const Evidence* evidence) {
  return Advisor(failure, text, address, evidence).Take();
}

}  // namespace upstream_502
