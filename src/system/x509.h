// What a certificate says of itself: OpenSSL's structs, no nginx. Whoever made
// it may have put anything into it.
//
//   AddValidity(certificate, &evidence);
//   AddNames(certificate, &evidence);  // "a.example, b.example"

#ifndef UPSTREAM_502_SYSTEM_X509_H_
#define UPSTREAM_502_SYSTEM_X509_H_

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "upstream_502/verdict/evidence.h"

namespace upstream_502 {

struct FreeX509 {
  void operator()(X509* it) const { X509_free(it); }
  void operator()(GENERAL_NAMES* it) const { GENERAL_NAMES_free(it); }
  void operator()(ASN1_TIME* it) const { ASN1_TIME_free(it); }
  void operator()(BIO* it) const { BIO_free(it); }
};
template <typename T>
using OwnedX509 = std::unique_ptr<T, FreeX509>;

inline absl::string_view ViewOf(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

inline int64_t UnixTime(const ASN1_TIME* time) {
  const OwnedX509<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  return epoch != nullptr &&
                 ASN1_TIME_diff(&days, &seconds, epoch.get(), time) == 1
             ? int64_t{days} * 86400 + seconds
             : Evidence::kNoTime;
}

inline void AddValidity(const X509* certificate, Evidence* evidence) {
  evidence->not_before_s = UnixTime(X509_get0_notBefore(certificate));
  evidence->not_after_s = UnixTime(X509_get0_notAfter(certificate));
}

inline void AddAddress(const ASN1_STRING* address, Evidence* evidence) {
  char text[INET6_ADDRSTRLEN];
  const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  if ((family == AF_INET || ASN1_STRING_length(address) == 16) &&
      inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof(text)) !=
          nullptr) {
    AppendItem(Named::kCertificateNames, text, evidence);
  }
}

// Where there are alternative names the common name does not count.
inline bool AddAlternativeNames(const X509* certificate, Evidence* evidence) {
  const OwnedX509<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  bool any = false;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get());
       ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      AppendItem(Named::kCertificateNames, ViewOf(name->d.dNSName), evidence);
    } else if (name->type == GEN_IPADD) {
      AddAddress(name->d.iPAddress, evidence);
    }
    any = any || name->type == GEN_DNS;
  }
  return any;
}

inline void AddNames(const X509* certificate, Evidence* evidence) {
  if (AddAlternativeNames(certificate, evidence)) {
    return;
  }
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, at);
    AppendItem(Named::kCertificateNames,
               ViewOf(X509_NAME_ENTRY_get_data(entry)), evidence);
  }
}

inline void AddIssuer(const X509* certificate, Evidence* evidence) {
  const OwnedX509<BIO> text(BIO_new(BIO_s_mem()));
  if (text == nullptr ||
      X509_NAME_print_ex(text.get(), X509_get_issuer_name(certificate), 0,
                         XN_FLAG_RFC2253) < 0) {
    return;
  }
  char* data = nullptr;
  const auto size = BIO_get_mem_data(text.get(), &data);
  AppendItem(Named::kIssuer, {data, static_cast<size_t>(size)}, evidence);
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_X509_H_
