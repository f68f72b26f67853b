// Which error type of RFC 9209 a failure is.

#include "absl/strings/match.h"
#include "upstream_502/verdict/classify.h"

namespace upstream_502 {

absl::string_view Rfc9209Error(Cause cause, absl::string_view message,
                               bool unix_socket) {
  if (cause == Cause::kTlsProtocolError && absl::StartsWith(message, "SSL_") &&
      AlertNumber(message) >= 0) {
    return "tls_alert_received";
  }
  if ((cause == Cause::kInternalError &&
       RecognizeLine(message).says == Says::kConfig) ||
      (cause == Cause::kPermissionDenied && unix_socket)) {
    return "proxy_configuration_error";
  }
  return Info(cause).rfc9209;
}

}  // namespace upstream_502
