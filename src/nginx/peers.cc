// Finds a peer's row, and says where there is no room for one.

#include "ngx_cxx.h"

#include "peers.h"

#include "rounds.h"

namespace upstream_502 {

uint32_t FindPeerRow(Zone* zone, uint32_t upstream, absl::string_view name,
                     int64_t now) {
  const uint32_t row = zone->store.FindOrAddPeer(upstream, name, now);
  TellOfRound(zone);
  if (zone->store.IsOther(row) && zone->store.TakeOverflowWarning(now)) {
    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "upstream_502_zone \"%V\" is full: further peers are counted "
                  "under \"(other)\"; raise its size",
                  &zone->name);
  }
  return row;
}

}  // namespace upstream_502
