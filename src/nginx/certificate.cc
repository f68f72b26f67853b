// OpenSSL's view of the other side, where nginx is built with it.

#include "ngx_cxx.h"

#include "certificate.h"

#include <arpa/inet.h>

#include <algorithm>
#include <memory>

#include "bridge.h"

#if (NGX_HTTP_SSL)
#include <openssl/x509v3.h>
#endif

namespace upstream_502 {

bool ConcernsTls(Cause cause) {
  return cause == Cause::kTlsCertificateInvalid ||
         cause == Cause::kTlsProtocolError || cause == Cause::kTlsClosed;
}

#if (NGX_HTTP_SSL)

namespace {

struct Free {
  void operator()(X509* it) const { X509_free(it); }
  void operator()(GENERAL_NAMES* it) const { GENERAL_NAMES_free(it); }
  void operator()(ASN1_TIME* it) const { ASN1_TIME_free(it); }
  void operator()(BIO* it) const { BIO_free(it); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// What goes wrong in here must not be found by whoever asks OpenSSL next.
class KeepErrors {
 public:
  KeepErrors() { ERR_set_mark(); }
  ~KeepErrors() { ERR_pop_to_mark(); }
  KeepErrors(const KeepErrors&) = delete;
  KeepErrors& operator=(const KeepErrors&) = delete;
};

absl::string_view View(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

int64_t UnixTime(const ASN1_TIME* time) {
  const Owned<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  return epoch != nullptr &&
                 ASN1_TIME_diff(&days, &seconds, epoch.get(), time) == 1
             ? int64_t{days} * 86400 + seconds
             : Evidence::kNoTime;
}

void AddAddress(const ASN1_STRING* address, Evidence* evidence) {
  char text[INET6_ADDRSTRLEN];
  const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  if ((family == AF_INET || ASN1_STRING_length(address) == 16) &&
      inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof(text)) !=
          nullptr) {
    AppendItem(Named::kCertificateNames, text, evidence);
  }
}

// Where there are alternative names the common name does not count.
bool AddAlternativeNames(const X509* certificate, Evidence* evidence) {
  const Owned<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  bool any = false;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get());
       ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      AppendItem(Named::kCertificateNames, View(name->d.dNSName), evidence);
    } else if (name->type == GEN_IPADD) {
      AddAddress(name->d.iPAddress, evidence);
    }
    any = any || name->type == GEN_DNS;
  }
  return any;
}

void AddNames(const X509* certificate, Evidence* evidence) {
  if (AddAlternativeNames(certificate, evidence)) {
    return;
  }
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, at);
    AppendItem(Named::kCertificateNames, View(X509_NAME_ENTRY_get_data(entry)),
               evidence);
  }
}

void AddIssuer(const X509* certificate, Evidence* evidence) {
  const Owned<BIO> text(BIO_new(BIO_s_mem()));
  if (text == nullptr ||
      X509_NAME_print_ex(text.get(), X509_get_issuer_name(certificate), 0,
                         XN_FLAG_RFC2253) < 0) {
    return;
  }
  char* data = nullptr;
  const auto size = BIO_get_mem_data(text.get(), &data);
  AppendItem(Named::kIssuer, {data, static_cast<size_t>(size)}, evidence);
}

// The text holds what the verdict was about: the names where OpenSSL had no
// objection and only they did not fit, else who issued it.
void AddShown(SSL* ssl, Evidence* evidence) {
  const Owned<X509> certificate(SSL_get_peer_certificate(ssl));
  if (certificate == nullptr) {
    return;
  }
  evidence->not_before_s = UnixTime(X509_get0_notBefore(certificate.get()));
  evidence->not_after_s = UnixTime(X509_get0_notAfter(certificate.get()));
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
