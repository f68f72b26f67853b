// OpenSSL's view of the other side, where nginx is built with it.

#include "ngx_cxx.h"

#include "certificate.h"

#include <algorithm>

#include "bridge.h"

#if (NGX_HTTP_SSL)
#include "system/x509.h"
#endif

namespace upstream_502 {

bool ConcernsTls(Cause cause) {
  return cause == Cause::kTlsCertificateInvalid ||
         cause == Cause::kTlsProtocolError || cause == Cause::kTlsClosed;
}

#if (NGX_HTTP_SSL)

namespace {

// What goes wrong in here must not be found by whoever asks OpenSSL next.
class KeepErrors {
 public:
  KeepErrors() { ERR_set_mark(); }
  ~KeepErrors() { ERR_pop_to_mark(); }
  KeepErrors(const KeepErrors&) = delete;
  KeepErrors& operator=(const KeepErrors&) = delete;
};

// The text holds what the verdict was about: the names where OpenSSL had no
// objection and only they did not fit, else who issued it.
void AddShown(SSL* ssl, Evidence* evidence) {
  const OwnedX509<X509> certificate(SSL_get_peer_certificate(ssl));
  if (certificate == nullptr) {
    return;
  }
  AddValidity(certificate.get(), evidence);
  // The verdict is one of the first handshake of that session then, of another
  // location maybe, which trusts others or asks for no verdict.
  if (SSL_session_reused(ssl) != 0) {
    return;
  }
  const int64_t result = SSL_get_verify_result(ssl);
  evidence->verify_error = static_cast<int16_t>(result);
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  if (chain != nullptr) {
    evidence->chain_length =
        static_cast<uint8_t>(std::min(sk_X509_num(chain), 0xff));
  }
  const int depth = SSL_get_verify_depth(ssl);
  evidence->verify_depth = static_cast<uint8_t>(std::clamp(depth, 0, 0xfe));
  if (result == X509_V_OK) {
    AddNames(certificate.get(), evidence);
  } else {
    AddIssuer(certificate.get(), evidence);
  }
}

}  // namespace

void AddCertificate(const ngx_http_upstream_t* u, const Failure& failure,
                    Evidence* evidence) {
  const ngx_connection_t* c = u->peer.connection;
  if (c == nullptr || c->ssl == nullptr || c->ssl->connection == nullptr) {
    return;
  }
  SSL* ssl = c->ssl->connection;
  const KeepErrors keep;
  if (failure.cause == Cause::kTlsCertificateInvalid) {
    AddShown(ssl, evidence);
  }
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  evidence->sni = name == nullptr ? Seen::kNo : Seen::kYes;
  if (name != nullptr) {
    AppendItem(Named::kServerName, name, evidence);
  }
}

#else

void AddCertificate(const ngx_http_upstream_t*, const Failure&, Evidence*) {}

#endif

}  // namespace upstream_502
