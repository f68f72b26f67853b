// Findings about certificates and the handshake of TLS.

#include <algorithm>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "findings_case.h"
#include "upstream_502/verdict/line.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

// Results of OpenSSL's verification, X509_V_ERR_….
enum Verify : int {
  kNone = 0,
  kNoIssuer = 2,
  kNotYetValid = 9,
  kExpired = 10,
  kSelfSigned = 18,
  kSelfSignedInChain = 19,
  kNoLocalIssuer = 20,
  kNoIssuerOfFirst = 21,
  kChainTooLong = 22,
  kUntrusted = 27,
  kRejected = 28,
  kOtherHost = 62,
  kOtherAddress = 64,
  kEndKeyTooSmall = 66,
  kIssuerKeyTooSmall = 67,
  kDigestTooWeak = 68,
};

constexpr absl::string_view kMismatch =
    "upstream SSL certificate does not match \"";

// What nginx's line says: "… verify error: (10:certificate has expired)"; else
// what the connection was asked.
int VerifyError(const FindingCase& c) {
  absl::string_view message = c.text.message;
  int code = 0;
  if (absl::ConsumePrefix(&message,
                          "upstream SSL certificate verify error: (") &&
      absl::SimpleAtoi(message.substr(0, message.find(':')), &code)) {
    return code;
  }
  if (absl::StartsWith(message, kMismatch)) {
    return kOtherHost;
  }
  return c.evidence.verify_error;
}

bool HasTime(int64_t seconds) {
  constexpr int64_t kLast = 253402300799;  // of the year 9999
  return seconds >= 0 && seconds <= kLast;
}

std::string DateOf(int64_t seconds) {
  return FormatDateTime(seconds * 1000) + " UTC";
}

std::string Words(int64_t seconds) {
  constexpr int64_t kDay = 86400;
  return seconds >= 2 * kDay
             ? absl::StrCat(seconds / kDay, " days")
             : DurationWords(std::max<int64_t>(seconds, 1) * 1000);
}

// How far `seconds` is away: " (2 days ago)".
std::string Away(const FindingCase& c, int64_t seconds) {
  const int64_t now = c.failure.time_ms / 1000;
  if (now <= 0) {
    return "";
  }
  return now > seconds ? absl::StrCat(" (", Words(now - seconds), " ago)")
                       : absl::StrCat(" (in ", Words(seconds - now), ")");
}

// The chain's other certificates have dates of their own.
void FindExpired(const FindingCase& c) {
  const int64_t end = c.evidence.not_after_s;
  const int64_t now = c.failure.time_ms / 1000;
  if (!HasTime(end)) {
    c.Say(Finding::kCertificateExpired, "the certificate of ", c.Peer(),
          ", or one that it is issued by, has expired");
  } else if (now > 0 && end > now) {
    c.Say(Finding::kCertificateExpired, "a certificate that the one of ",
          c.Peer(), " is issued by has expired; its own is valid until ",
          DateOf(end));
  } else {
    c.Say(Finding::kCertificateExpired, "the certificate of ", c.Peer(),
          " expired ", DateOf(end), Away(c, end));
  }
}

void FindNotYetValid(const FindingCase& c) {
  const int64_t begin = c.evidence.not_before_s;
  const int64_t now = c.failure.time_ms / 1000;
  if (!HasTime(begin)) {
    c.Say(Finding::kCertificateNotYetValid, "the certificate of ", c.Peer(),
          ", or one that it is issued by, is not valid yet: check the clocks");
  } else if (now > 0 && begin <= now) {
    c.Say(Finding::kCertificateNotYetValid, "a certificate that the one of ",
          c.Peer(), " is issued by is not valid yet; its own has been since ",
          DateOf(begin));
  } else {
    c.Say(Finding::kCertificateNotYetValid, "the certificate of ", c.Peer(),
          " is not valid before ", DateOf(begin), Away(c, begin),
          ": check the clocks");
  }
}

void FindName(const FindingCase& c) {
  absl::string_view message = c.text.message;
  std::string asked = "the name asked for";
  if (absl::ConsumePrefix(&message, kMismatch)) {
    asked = absl::StrCat("\"", Plain(message.substr(0, message.rfind('"')), 64),
                         "\"");
  }
  const absl::string_view names = c.Items(Named::kCertificateNames);
  c.Say(Finding::kCertificateName, "the certificate of ", c.Peer(),
        " is not for ", asked,
        names.empty()
            ? absl::StrCat(": see ", c.Directive("_ssl_name"))
            : absl::StrCat(", but for ", Plain(names, Evidence::kTextRoom),
                           c.MoreItems()));
}

std::string IssuedBy(const FindingCase& c) {
  const absl::string_view issuer = c.Items(Named::kIssuer);
  return issuer.empty()
             ? "its issuer"
             : absl::StrCat("its issuer ", Plain(issuer, Evidence::kTextRoom));
}

void FindUntrusted(const FindingCase& c, int code) {
  const std::string file = c.Directive("_ssl_trusted_certificate");
  if (code == kSelfSigned) {
    c.Say(Finding::kCertificateUntrusted, "the certificate of ", c.Peer(),
          " is signed by itself, and not in ", file);
    return;
  }
  const absl::string_view issuer = c.Items(Named::kIssuer);
  c.Say(Finding::kCertificateUntrusted, "the certificate of ", c.Peer(),
        issuer.empty() ? ""
                       : absl::StrCat(", issued by ", Plain(issuer, 80), ","),
        code == kSelfSignedInChain
            ? " leads to a root that is not in "
            : " leads to an issuer whose certificate is not in ",
        file);
}

// Whether more certificates came than are looked at.
bool IsTooLong(const Evidence& evidence) {
  return evidence.verify_depth != 0xff &&
         evidence.chain_length > evidence.verify_depth + 1;
}

// OpenSSL's own error for it (22) is followed by that of an issuer that is not
// found (20), and only the last one is told.
void FindTooLong(const FindingCase& c) {
  const Evidence& e = c.evidence;
  const std::string depth = c.Directive("_ssl_verify_depth");
  if (!IsTooLong(e)) {
    c.Say(Finding::kCertificateChain, "the chain of ", c.Peer(),
          " is too long: raise ", depth);
    return;
  }
  c.Say(Finding::kCertificateChain, c.Peer(), " sent ", e.chain_length,
        " certificates, of which ", depth, " (now ", e.verify_depth,
        ") lets nginx look at ", e.verify_depth + 1,
        ", and the last of these is issued by none in ",
        c.Directive("_ssl_trusted_certificate"), ": raise ", depth);
}

void FindMissingIssuer(const FindingCase& c) {
  const Evidence& e = c.evidence;
  c.Say(Finding::kCertificateChain, c.Peer(),
        e.chain_length > 0
            ? absl::StrCat(" sent ", Counted(e.chain_length, "certificate",
                                             "certificates"))
            : " sent its certificate",
        " without that of ", IssuedBy(c), ", which is not in ",
        c.Directive("_ssl_trusted_certificate"), " either");
}

void FindCertificate(const FindingCase& c) {
  const int code = VerifyError(c);
  switch (code) {
    case kExpired:
      return FindExpired(c);
    case kNotYetValid:
      return FindNotYetValid(c);
    case kOtherHost:
    case kOtherAddress:
      return FindName(c);
    case kSelfSigned:
    case kSelfSignedInChain:
    case kUntrusted:
    case kRejected:
      return FindUntrusted(c, code);
    case kNoLocalIssuer:
      return IsTooLong(c.evidence) ? FindTooLong(c) : FindUntrusted(c, code);
    case kNoIssuer:
    case kNoIssuerOfFirst:
      return FindMissingIssuer(c);
    case kChainTooLong:
      return FindTooLong(c);
    default:
      return;
  }
}

// OpenSSL's words for what it does not accept.
struct Refusal {
  absl::string_view reason;
  absl::string_view directive;  // without the prefix
  absl::string_view means;
};

constexpr Refusal kRefusals[] = {
    {"unsupported protocol", "_ssl_protocols",
     "the other side chose a version that is not allowed here (MinProtocol in "
     "openssl.cnf counts, too)"},
    {"no protocols available", "_ssl_protocols",
     "no version that is configured is allowed here (MinProtocol in "
     "openssl.cnf counts, too)"},
    {"no ciphers available", "_ssl_ciphers",
     "no configured cipher works with the configured versions"},
    {"dh key too small", "_ssl_ciphers",
     "the other side's DH parameters are below the security level here "
     "(without DHE it uses others)"},
    {"ee key too small", "_ssl_ciphers",
     "the key of its certificate is below the security level here "
     "(@SECLEVEL in the ciphers)"},
    {"ca key too small", "_ssl_ciphers",
     "the key of an issuer of its certificate is below the security level "
     "here (@SECLEVEL in the ciphers)"},
    {"ca md too weak", "_ssl_ciphers",
     "its certificate is signed with a digest below the security level here "
     "(@SECLEVEL in the ciphers)"},
    {"legacy sigalg disallowed or unsupported", "_ssl_ciphers",
     "the other side signs with an algorithm that is not allowed here"},
    {"wrong signature type", "_ssl_ciphers",
     "the other side signs with an algorithm that is not allowed here "
     "(SHA-1 most often)"},
    {"unsafe legacy renegotiation disabled", "_ssl_conf_command",
     "the other side does not know secure renegotiation (Options "
     "UnsafeLegacyServerConnect would allow that)"},
};

// The verification has other words for the same. Empty: nothing is too weak.
absl::string_view TooWeak(int verify_error) {
  switch (verify_error) {
    case kEndKeyTooSmall:
      return "ee key too small";
    case kIssuerKeyTooSmall:
      return "ca key too small";
    case kDigestTooWeak:
      return "ca md too weak";
    default:
      return "";
  }
}

void FindRefusedHere(const FindingCase& c) {
  const absl::string_view message = c.text.message;
  const absl::string_view weak = TooWeak(VerifyError(c));
  const bool says =
      absl::StrContains(message, "(SSL:") && AlertNumber(message) < 0;
  for (const Refusal& refusal : kRefusals) {
    if (refusal.reason == weak ||
        (says &&
         absl::StrContains(message, absl::StrCat(":", refusal.reason)))) {
      c.Say(Finding::kTlsRefusedHere, "nginx's own TLS refused ", c.Peer(),
            " (", refusal.reason, "): ", refusal.means, "; see ",
            c.Directive(refusal.directive));
      return;
    }
  }
}

struct Alert {
  int number;
  absl::string_view name;
  absl::string_view asks;       // what it asks for
  absl::string_view directive;  // without the prefix; "" for none
};

constexpr absl::string_view kOurs =
    "it did not accept nginx's certificate, or wants one";

// As in RFC 8446 and those before it.
constexpr Alert kAlerts[] = {
    {10, "unexpected_message", "a message came that it did not wait for", ""},
    {20, "bad_record_mac", "a record was changed on the way", ""},
    {22, "record_overflow", "a record was too large for it", ""},
    {40, "handshake_failure",
     "no version, cipher or curve in common, a name (SNI) or a certificate "
     "that it wants",
     "_ssl_ciphers"},
    {42, "bad_certificate", kOurs, "_ssl_certificate"},
    {43, "unsupported_certificate", kOurs, "_ssl_certificate"},
    {44, "certificate_revoked", "it holds nginx's certificate for revoked",
     "_ssl_certificate"},
    {45, "certificate_expired", "it holds nginx's certificate for expired",
     "_ssl_certificate"},
    {46, "certificate_unknown", kOurs, "_ssl_certificate"},
    {47, "illegal_parameter", "it found a value it does not allow", ""},
    {48, "unknown_ca", "it does not trust who issued nginx's certificate",
     "_ssl_certificate"},
    {49, "access_denied", "it does not let nginx's certificate in",
     "_ssl_certificate"},
    {50, "decode_error", "it could not read a message", ""},
    {51, "decrypt_error", "a signature or a key did not fit", ""},
    {70, "protocol_version", "it wants another version of TLS",
     "_ssl_protocols"},
    {71, "insufficient_security", "it wants stronger ciphers", "_ssl_ciphers"},
    {80, "internal_error",
     "it failed itself, or has no certificate for the name: see its log", ""},
    {86, "inappropriate_fallback", "it speaks a newer version of TLS",
     "_ssl_protocols"},
    {90, "user_canceled", "it gave up the handshake", ""},
    {100, "no_renegotiation", "it does not negotiate anew", ""},
    {109, "missing_extension", "it misses an extension, as the name (SNI)",
     "_ssl_server_name"},
    {110, "unsupported_extension", "it does not know an extension", ""},
    {112, "unrecognized_name", "it has no certificate for the name (SNI)",
     "_ssl_name"},
    {115, "unknown_psk_identity", "it does not know the session's key", ""},
    {116, "certificate_required", "it wants a certificate from nginx",
     "_ssl_certificate"},
    {120, "no_application_protocol",
     "it does not speak the protocol asked for (ALPN)", ""},
};

void FindAlert(const FindingCase& c) {
  const int number = AlertNumber(c.text.message);
  for (const Alert& alert : kAlerts) {
    if (alert.number == number) {
      c.Say(Finding::kTlsAlert, c.Peer(), " sent the alert ", alert.name, " (",
            number, "): ", alert.asks,
            alert.directive.empty()
                ? ""
                : absl::StrCat("; see ", c.Directive(alert.directive)));
      return;
    }
  }
}

// Where no TLS is spoken, or the handshake went well, a name would not help.
void FindNoServerName(const FindingCase& c) {
  constexpr int kUnrecognized = 112;
  if (c.failure.phase != Phase::kTls) {
    return;
  }
  const absl::string_view name = c.Items(Named::kServerName);
  if (c.evidence.sni == Seen::kNo && !c.Has(Finding::kWrongProtocol) &&
      !c.Has(Finding::kTlsRefusedHere)) {
    c.Say(Finding::kNoServerName, "no server name (SNI) was sent to ", c.Peer(),
          ": a server with several certificates needs ",
          c.Directive("_ssl_server_name"), " on");
  } else if (c.evidence.sni == Seen::kYes && !name.empty() &&
             AlertNumber(c.text.message) == kUnrecognized) {
    c.Say(Finding::kNoServerName, "the server name (SNI) sent to ", c.Peer(),
          " was \"", Plain(name, 80), "\", which it does not know: see ",
          c.Directive("_ssl_name"));
  }
}

}  // namespace

void FindTls(const FindingCase& c) {
  FindCertificate(c);
  FindRefusedHere(c);
  FindAlert(c);
  FindNoServerName(c);
}

}  // namespace upstream_502
