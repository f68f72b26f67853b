// The rows of peers, remembered by the address of their names.

#ifndef UPSTREAM_502_SRC_NGINX_PEERS_H_
#define UPSTREAM_502_SRC_NGINX_PEERS_H_

#include "ngx_cxx.h"

#include <cstdint>
#include <iterator>

#include "absl/strings/string_view.h"
#include "conf.h"
#include "upstream_502/words/shortcuts.h"
#include "upstream_502/words/text.h"

namespace upstream_502 {

// The row of the peer with this name, made where there is none.
uint32_t FindPeerRow(Zone* zone, uint32_t upstream, absl::string_view name,
                     int64_t now);

// Where the row is remembered of the peer with this name, a string that stays
// where it is.
inline uint32_t* PeerRowPlace(MainConf* conf, const ngx_str_t* name) {
  const uint64_t hash = reinterpret_cast<uintptr_t>(name) * kMultiplier;
  return &conf->peer_rows[(hash >> 32) % std::size(conf->peer_rows)];
}

inline bool IsPeerRow(const Store& store, uint32_t row, uint32_t upstream,
                      const ngx_str_t* name) {
  return kShortcuts &&
         store.IsPeer(row, upstream, reinterpret_cast<const char*>(name->data),
                      name->len);
}

// As FindPeerRow, where it was found before.
inline uint32_t PeerRowOf(MainConf* conf, uint32_t upstream,
                          const ngx_str_t* name, int64_t now) {
  uint32_t* row = PeerRowPlace(conf, name);
  if (!IsPeerRow(conf->zone.store, *row, upstream, name)) {
    *row = FindPeerRow(&conf->zone, upstream,
                       {reinterpret_cast<const char*>(name->data), name->len},
                       now);
  }
  return *row;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_PEERS_H_
