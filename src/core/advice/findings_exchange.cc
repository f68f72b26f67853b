// Findings about connections that stood: they ended, or nothing came any more;
// and about headers too long for their buffer.

#include <algorithm>
#include <string>

#include "findings_case.h"
#include "upstream_502/advice/address.h"
#include "upstream_502/advice/limit.h"
#include "upstream_502/advice/reading.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

constexpr int32_t kOomSeconds = 60;
constexpr uint8_t kNotAsked = 0xff;

// The kernel counts for its machine, and says nothing of another one's.
void FindOom(const FindingCase& c) {
  const Evidence& e = c.evidence;
  if (c.IsHere() && e.oom_kills > 0 && e.oom_seconds >= 0 &&
      e.oom_seconds <= kOomSeconds) {
    c.Say(Finding::kOomKill, "the kernel killed ",
          Counted(e.oom_kills, "process", "processes"),
          " of this machine for want of memory within the last ",
          DurationWords(std::max(e.oom_seconds, 1) * int64_t{1000}),
          " (dmesg | grep -i oom)");
  }
}

void FindEarly(const FindingCase& c) {
  constexpr int kContinue = 199;  // 1xx: no answer yet
  const int status = c.evidence.early_status;
  if (status <= kContinue || status > 599) {
    return;
  }
  c.Say(Finding::kAnsweredEarly, "the upstream had answered ", status,
        " and closed before it had read the request",
        c.failure.bytes_sent > 0
            ? absl::StrCat(", of which ", c.failure.bytes_sent,
                           " bytes were sent")
            : "",
        status == 413 ? ": the body is above its limit" : "");
}

// Whether what came was of no use: no end of a connection is to be explained.
bool IsOfContent(absl::string_view message) {
  return absl::StartsWith(message, "inflate() ") ||
         absl::StartsWith(message, "upstream sent ") ||
         absl::StartsWith(message, "upstream prematurely closed stream");
}

void FindGone(const FindingCase& c) {
  if (!c.IsHere() || IsOfContent(c.text.message) ||
      c.Has(Finding::kAnsweredEarly)) {
    return;
  }
  // Where a file was replaced its service may still run.
  if (c.evidence.listening == Seen::kNo &&
      c.evidence.listening_hidden != Seen::kYes) {
    c.Say(Finding::kServiceGone, "nobody listens on ", c.Peer(),
          " any more: the service itself ended");
  } else if (c.evidence.listening == Seen::kYes) {
    c.Say(Finding::kStillListening, "a service still listens on ", c.Peer(),
          ": one of its workers ended, or only this connection, unless the "
          "whole service was just going down");
  }
}

// What idleness does to a connection does not end the service.
void FindIdle(const FindingCase& c) {
  const int32_t idle = c.evidence.idle_ms;
  if (idle < 0 || (c.IsHere() && c.evidence.listening == Seen::kNo)) {
    return;
  }
  if (idle >= kLongIdleMs) {
    c.Say(Finding::kIdleClosed, "the connection had been idle for ", idle,
          " ms when the upstream closed it: keep keepalive_timeout in "
          "upstream{} below the least such time");
  } else {
    c.Say(Finding::kClosedInUse, "the connection had been idle for only ", idle,
          " ms: the upstream closes connections that are in use (a worker "
          "that restarts, a limit of requests per connection)");
  }
}

// "within 60s", where it was nginx's limit.
std::string Within(const FindingCase& c) {
  return LimitOf(c.failure.cause) != Limit::kNone && c.failure.limit > 0
             ? absl::StrCat(" within ", ConfigTime(c.failure.limit))
             : "";
}

// Nothing is sent again to a peer that keeps its window closed: it is asked,
// and answers. Where the service's queue is full the kernel drops what comes.
bool IsUnacknowledged(const Evidence& e) {
  const bool again = e.retransmits != kNotAsked && e.retransmits > 0;
  const bool probed = e.probes != kNotAsked && e.probes > 1;
  return e.unacknowledged_bytes > 0 && e.accepted != Seen::kNo &&
         (again || probed);
}

void FindUnacknowledged(const FindingCase& c) {
  const Evidence& e = c.evidence;
  const int again = std::max(e.retransmits == kNotAsked ? 0 : e.retransmits,
                             e.probes == kNotAsked ? 0 : e.probes);
  c.Say(Finding::kUnacknowledged, c.Peer(), " never acknowledged ",
        Counted(e.unacknowledged_bytes, "byte", "bytes"), ", sent ", again + 1,
        " times",
        e.last_ack_ms >= 0
            ? absl::StrCat("; it last did ", e.last_ack_ms, " ms ago")
            : "",
        ": the network or the machine, not the service");
}

// Of the request, without the empty record that ends it in FastCGI: a script
// that takes no body leaves that one, and has read all the same.
int32_t UnreadBytes(const FindingCase& c) {
  constexpr int32_t kEmptyRecord = 8;
  const int32_t unread = c.evidence.unread_bytes;
  return c.failure.protocol == Protocol::kFastcgi && unread == kEmptyRecord
             ? 0
             : unread;
}

void FindUnaccepted(const FindingCase& c) {
  const Evidence& e = c.evidence;
  c.Say(Finding::kNotAccepted, "the kernel took the connection to ", c.Peer(),
        ", the service never did",
        e.queue > 0
            ? absl::StrCat("; ", Counted(e.queue, "waits", "wait"), " for it")
            : "",
        ": all its workers are busy or stuck, it is out of file descriptors, "
        "or only starting");
}

void FindSilent(const FindingCase& c) {
  const Evidence& e = c.evidence;
  if (ReadingOf(c.failure, c.text) == Reading::kInterim) {
    return;
  }
  const absl::string_view what =
      c.failure.cause == Cause::kBodyTimeout ? "nothing more of the answer came"
      : c.failure.bytes_received > 0 ? "only a part of the answer's header came"
                                     : "no answer came";
  if (c.IsHere() && e.accepted == Seen::kYes && UnreadBytes(c) == 0 &&
      e.unacknowledged_bytes <= 0) {
    c.Say(Finding::kNoAnswer, "the service on ", c.Peer(),
          " has read all of the request, and ", what, Within(c));
  } else if (!c.IsHere() && e.unacknowledged_bytes == 0) {
    // Of this machine's own address: a rule leads it elsewhere, or a service
    // has dropped the connection without a word.
    const bool own = ParsePeer(c.text.peer).loopback;
    c.Say(Finding::kNoAnswer,
          own ? "nobody in this network namespace holds the other end of the "
                "connection to "
              : "the machine of ",
          c.Peer(),
          own ? ", all of the request was acknowledged, and "
              : " has acknowledged all of the request, and ",
          what, Within(c));
  }
}

// A process that was killed while the connection stood may explain its end.
// When it was killed is known to some seconds; but who runs out of memory does
// not within a moment.
bool WasKilledMeanwhile(const FindingCase& c) {
  constexpr int64_t kSecondMs = 1000;
  constexpr int64_t kMomentMs = 5;
  constexpr int32_t kJustNow = 5;
  const int64_t stood = std::max<int64_t>(c.failure.response_time, 0) +
                        std::max<int64_t>(c.evidence.idle_ms, 0);
  const int32_t within = c.evidence.oom_seconds;
  return (within <= kJustNow && stood >= kMomentMs) ||
         within * kSecondMs <= stood + kSecondMs;
}

}  // namespace

void FindEnded(const FindingCase& c) {
  const bool just_now = WasKilledMeanwhile(c);
  FindEarly(c);
  if (just_now) {
    FindOom(c);
  }
  FindIdle(c);
  FindGone(c);
  if (!just_now) {
    FindOom(c);
  }
}

void FindStalled(const FindingCase& c) {
  const Evidence& e = c.evidence;
  if (IsUnacknowledged(e)) {
    FindUnacknowledged(c);
    return;
  }
  if (c.IsHere() && e.accepted == Seen::kNo) {
    FindUnaccepted(c);
    return;
  }
  if (c.IsHere() && e.accepted == Seen::kYes && UnreadBytes(c) > 0) {
    c.Say(Finding::kNotRead, "the service on ", c.Peer(),
          " took the connection and left ",
          Counted(e.unread_bytes, "byte", "bytes"), " of the request unread");
    return;
  }
  FindSilent(c);
}

void FindHeaderSize(const FindingCase& c) {
  const int64_t size = c.evidence.header_bytes;
  // Where it would have fit there is more to it than its size.
  if (size <= 0 || c.failure.limit >= size) {
    return;
  }
  const std::string directive =
      LimitDirective(Limit::kBufferSize, c.failure.protocol);
  c.Say(Finding::kHeaderSize, "the response header has ", size, " bytes",
        c.failure.limit > 0
            ? absl::StrCat(", ", directive, " is ", ConfigSize(c.failure.limit))
            : "",
        ": ", directive, " ", ConfigSize(SufficientBuffer(size)), " suffices");
}

}  // namespace upstream_502
