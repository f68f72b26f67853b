// What the renderers share.

#include "upstream_502/report/parts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "upstream_502/report/parts.h"
#include "upstream_502/store/arena.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

// With items of at most as much again, a piece stays below 16 KiB.
constexpr size_t kPieceBytes = 8192;
// Most of which may be left out, one by one.
constexpr size_t kPieceItems = 1000;

}  // namespace

Part Once(std::function<void(std::string* out)> write) {
  return Each(
      1, [write = std::move(write)](size_t, std::string* out) { write(out); });
}

Part Each(size_t count, std::function<void(size_t i, std::string* out)> write) {
  return [count, write = std::move(write),
          i = size_t{0}](std::string* out) mutable {
    if (i == count) {
      return false;
    }
    write(i++, out);
    return true;
  };
}

namespace {

PeerStats SumOfPeers(const Excerpt& excerpt, const UpstreamStats& upstream) {
  PeerStats sum;
  sum.addr = String(kVariablePeer);
  for (const PeerStats& peer : upstream.peers) {
    if (!excerpt.Shows(peer)) {
      continue;
    }
    sum.attempts += peer.attempts;
    sum.failures += peer.failures;
    for (size_t i = 0; i < kMaxCauses; ++i) {
      sum.causes[i] += peer.causes[i];
    }
    sum.last_failure = std::max(sum.last_failure, peer.last_failure);
  }
  return sum;
}

}  // namespace

Part EachUpstream(
    const Excerpt& excerpt,
    std::function<void(const UpstreamStats& upstream, std::string* out)>
        write) {
  return Each(excerpt.snapshot().upstreams.size(),
              [&excerpt, write = std::move(write)](size_t i, std::string* out) {
                const UpstreamStats& upstream = excerpt.snapshot().upstreams[i];
                if (excerpt.Shows(upstream)) {
                  write(upstream, out);
                }
              });
}

Part EachPeer(const Excerpt& excerpt,
              std::function<void(const UpstreamStats& upstream,
                                 const PeerStats& peer, std::string* out)>
                  write) {
  return [&excerpt, write = std::move(write), u = size_t{0},
          p = size_t{0}](std::string* out) mutable {
    const List<UpstreamStats>& upstreams = excerpt.snapshot().upstreams;
    if (u == upstreams.size()) {
      return false;
    }
    const UpstreamStats& upstream = upstreams[u];
    if (p == upstream.peers.size() || (p == 0 && !excerpt.Shows(upstream))) {
      ++u;
      p = 0;
    } else if (upstream.kind == UpstreamKind::kPlace) {
      write(upstream, SumOfPeers(excerpt, upstream), out);
      p = upstream.peers.size();
    } else {
      const PeerStats& peer = upstream.peers[p++];
      if (excerpt.Shows(peer)) {
        write(upstream, peer, out);
      }
    }
    return true;
  };
}

PartsRenderer::PartsRenderer(std::vector<Part> parts)
    : parts_(std::move(parts)) {}

bool PartsRenderer::Next(std::string* out) {
  const size_t start = out->size();
  size_t items = 0;
  while (current_ < parts_.size() && out->size() - start < kPieceBytes &&
         items++ < kPieceItems) {
    if (!parts_[current_](out)) {
      ++current_;
    }
  }
  return current_ < parts_.size() || out->size() > start;
}

std::string Plain(absl::string_view text) {
  std::string printable;
  AppendPrintable(text, &printable);
  std::string plain;
  for (const char c : printable) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80) {
      plain.push_back(c);
    } else if ((byte & 0xC0) == 0xC0) {  // one '?' per character
      plain.push_back('?');
    }
  }
  return plain;
}

std::string Shorten(absl::string_view text, size_t width) {
  std::string plain = Plain(text);
  if (plain.size() <= width) {
    return plain;
  }
  const size_t tail = (width - 3) / 2;
  const size_t head = width - 3 - tail;
  return absl::StrCat(plain.substr(0, head), "...",
                      plain.substr(plain.size() - tail));
}

void AppendWrapped(absl::string_view first_lead, size_t indent,
                   absl::string_view text, std::string* out) {
  std::string rest = Plain(text);
  std::string lead(first_lead);
  while (lead.size() + rest.size() > kColumns) {
    const size_t width = kColumns - lead.size();
    const size_t blank = rest.rfind(' ', width);
    const bool found = blank != std::string::npos && blank > 0;
    absl::StrAppend(out, lead, rest.substr(0, found ? blank : width), "\n");
    rest.erase(0, found ? blank + 1 : width);
    lead.assign(indent, ' ');
  }
  absl::StrAppend(out, lead, rest, "\n");
}

bool IsListed(const UpstreamStats& upstream) {
  return upstream.seen && upstream.name != kNoneName;
}

bool IsTroubled(const UpstreamStats& upstream) {
  return IsListed(upstream) && upstream.failures > 0;
}

std::string RenderAll(Renderer& renderer) {
  std::string all;
  while (renderer.Next(&all)) {
  }
  return all;
}

void AppendTitle(absl::string_view title, std::string* out) {
  std::string line = absl::StrCat("== ", title, " ");
  line.resize(std::max(line.size(), kColumns), '=');
  absl::StrAppend(out, "\n", line, "\n");
}

}  // namespace upstream_502
