// What the parts that make findings share: the failure at hand, and how a
// finding is said of it.

#ifndef UPSTREAM_502_CORE_ADVICE_FINDINGS_CASE_H_
#define UPSTREAM_502_CORE_ADVICE_FINDINGS_CASE_H_

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "upstream_502/advice/findings.h"

namespace upstream_502 {

// Text from outside as a part of a sentence: printable ASCII, at most `limit`
// bytes, with "..." where it was cut.
std::string Plain(absl::string_view text, size_t limit);

// "1 byte", "2 bytes".
std::string Counted(int64_t count, absl::string_view one,
                    absl::string_view many);

class FindingCase {
 public:
  FindingCase(const Failure& of, const FailureText& with, const Evidence& seen,
              std::vector<Found>* found)
      : failure(of), text(with), evidence(seen), found_(found) {}

  // Adds the finding, where the table has it for the cause.
  template <typename... Parts>
  void Say(Finding finding, const Parts&... parts) const {
    if (IsOfCause(finding, failure.cause)) {
      Add(finding, absl::StrCat(parts...));
    }
  }

  bool Has(Finding finding) const;

  bool IsUnix() const { return absl::StartsWith(text.peer, "unix:"); }
  bool IsHere() const { return evidence.where == Where::kThisMachine; }
  bool IsTls() const {
    return failure.protocol == Protocol::kHttps ||
           failure.protocol == Protocol::kSuwsgi ||
           failure.protocol == Protocol::kGrpcs;
  }

  // "127.0.0.1:9000", "/run/app.sock".
  std::string Peer() const;
  // "proxy_ssl_name" for "_ssl_name".
  std::string Directive(absl::string_view suffix) const;
  // What the text holds, where it is of that kind.
  absl::string_view Items(Named named) const {
    return evidence.named == named ? evidence.Text() : absl::string_view();
  }
  // " (and N more)" for items that did not fit.
  std::string MoreItems() const;

  const Failure& failure;
  const FailureText& text;
  const Evidence& evidence;

 private:
  void Add(Finding finding, absl::string_view sentence) const;

  std::vector<Found>* found_;
};

// Each adds what it finds, the most telling first.
void FindMoved(const FindingCase& c);     // name_moved
void FindResolve(const FindingCase& c);   // names and name servers
void FindPeers(const FindingCase& c);     // the group's other servers
void FindPath(const FindingCase& c);      // the path of a unix socket
void FindConnect(const FindingCase& c);   // connecting, queues
void FindProtocol(const FindingCase& c);  // what the port speaks
void FindH2Error(const FindingCase& c);
void FindTls(const FindingCase& c);      // certificates, alerts
void FindEnded(const FindingCase& c);    // a connection that ended
void FindStalled(const FindingCase& c);  // nothing came any more
void FindHeaderSize(const FindingCase& c);
void FindLimits(const FindingCase& c);    // what this machine ran out of
void FindRepeated(const FindingCase& c);  // syn_repeated
void FindRetries(const FindingCase& c);   // not retried, sent again

}  // namespace upstream_502

#endif  // UPSTREAM_502_CORE_ADVICE_FINDINGS_CASE_H_
