#include "upstream_502/render.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "render_util.h"
#include "upstream_502/escape.h"

namespace upstream_502 {
namespace {

// With items of at most as much again, a piece stays below 16 KiB.
constexpr size_t kEnough = 8192;

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

Part EachPeer(const std::vector<UpstreamStats>& upstreams,
              std::function<void(const UpstreamStats& upstream,
                                 const PeerStats& peer, std::string* out)>
                  write) {
  return [&upstreams, write = std::move(write), u = size_t{0},
          p = size_t{0}](std::string* out) mutable {
    while (u < upstreams.size() && p == upstreams[u].peers.size()) {
      ++u;
      p = 0;
    }
    if (u == upstreams.size()) {
      return false;
    }
    write(upstreams[u], upstreams[u].peers[p++], out);
    return true;
  };
}

PartsRenderer::PartsRenderer(std::vector<Part> parts)
    : parts_(std::move(parts)) {}

bool PartsRenderer::Next(std::string* out) {
  const size_t start = out->size();
  while (current_ < parts_.size() && out->size() - start < kEnough) {
    if (!parts_[current_](out)) {
      ++current_;
    }
  }
  return out->size() > start;
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

std::string FormatDateTime(int64_t ms) {
  namespace chrono = std::chrono;
  const auto time = chrono::sys_time<chrono::milliseconds>(
      chrono::milliseconds(std::max<int64_t>(ms, 0)));
  const auto day = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss clock(chrono::floor<chrono::seconds>(time - day));
  std::string text;
  AppendFormat(
      &text, "%04d-%02u-%02u %02d:%02d:%02d", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  return text;
}

std::string FormatDuration(int64_t ms) {
  const int64_t seconds = std::max<int64_t>(ms, 0) / 1000;
  if (seconds < 60) {
    return absl::StrCat(seconds, "s");
  }
  if (seconds < 3600) {
    return absl::StrCat(seconds / 60, "m ", seconds % 60, "s");
  }
  if (seconds < 86400) {
    return absl::StrCat(seconds / 3600, "h ", seconds / 60 % 60, "m");
  }
  return absl::StrCat(seconds / 86400, "d ", seconds / 3600 % 24, "h");
}

std::string FormatPercent(uint64_t part, uint64_t whole) {
  if (whole == 0) {
    return "-";
  }
  const double percent =
      100 * static_cast<double>(part) / static_cast<double>(whole);
  if (part > 0 && percent < 0.1) {
    return "<0.1%";
  }
  if (part < whole && percent > 99.9) {
    return ">99.9%";
  }
  return absl::StrFormat("%.1f%%", percent);
}

bool IsListed(const UpstreamStats& upstream) {
  return upstream.seen && upstream.name != kNoUpstream;
}

bool HasUpstream(const Snapshot& snapshot, absl::string_view name) {
  const auto& upstreams = snapshot.upstreams;
  const auto found = std::lower_bound(
      upstreams.begin(), upstreams.end(), name,
      [](const UpstreamStats& upstream, absl::string_view wanted) {
        return upstream.name < wanted;
      });
  return found != upstreams.end() && found->name == name;
}

std::string RenderAll(Renderer& renderer) {
  std::string all;
  while (renderer.Next(&all)) {
  }
  return all;
}

}  // namespace upstream_502
