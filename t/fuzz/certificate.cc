// Certificates of a server: what OpenSSL can read of them, as evidence and in
// findings.
//
// The input is one certificate in DER.

#include <string>

#include "absl/strings/string_view.h"
#include "input.h"
#include "read_all.h"
#include "system/x509.h"
#include "upstream_502/advice/checks.h"
#include "upstream_502/advice/findings.h"
#include "upstream_502/report/json_event.h"
#include "upstream_502/store/evidence_bytes.h"

namespace upstream_502 {
namespace {

void Show(const Evidence& evidence) {
  for (const char c : evidence.Text()) {
    REQUIRE(c >= ' ' && c <= '~');
  }
  REQUIRE(EvidenceOf(EvidenceBytes(evidence)).has_value());
  Event event;
  event.failure.cause = Cause::kTlsCertificateInvalid;
  event.failure.protocol = Protocol::kHttps;
  event.failure.time_ms = 1763675000000;
  event.upstream = "backend";
  event.peer = "127.0.0.1:443";
  event.message = "upstream SSL certificate verify error";
  event.evidence = evidence;
  for (const Found& found : Findings(event)) {
    REQUIRE(found.text.size() <= 300 && IsPlainText(found.text));
  }
  Checks(event.failure, TextOf(event), &evidence);
  std::string json;
  AppendEventJson(event, &json);
  REQUIRE(JsonReader::Read(json).has_value());
}

}  // namespace
}  // namespace upstream_502

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace upstream_502;
  const OwnedX509<X509> certificate(
      d2i_X509(nullptr, &data, static_cast<long>(size)));
  if (certificate == nullptr) {
    return 0;
  }
  for (const int error : {0, 10, 9, 18, 20, 62}) {
    Evidence evidence;
    evidence.asked = 1;
    evidence.verify_error = static_cast<int16_t>(error);
    AddValidity(certificate.get(), &evidence);
    if (error == 0) {
      AddNames(certificate.get(), &evidence);
    } else {
      AddIssuer(certificate.get(), &evidence);
    }
    AppendItem(Named::kServerName, "www.example.com", &evidence);
    Show(evidence);
  }
  return 0;
}
