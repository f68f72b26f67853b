// The shared memory zone: created once, found again by a reload and by the
// new binary of an upgrade.

#ifndef UPSTREAM_502_SRC_NGINX_ZONE_H_
#define UPSTREAM_502_SRC_NGINX_ZONE_H_

#include "ngx_cxx.h"

#include "upstream_502/store/store.h"

namespace upstream_502 {

// The zone of one configuration. Lives in that configuration's pool.
struct Zone {
  ngx_str_t name;
  size_t size;
  Rings rings;
  int64_t inactive;      // ms after which a row may make room
  ngx_str_t state;       // the file's path; empty: there is none
  ngx_uint_t first;      // the first configuration of this process
  ngx_uint_t restarted;  // the running configuration's zone does not go on
  ngx_uint_t serial;     // of the memory, among those of this process
  uint64_t generation;   // of this configuration in the store
  ngx_shm_zone_t* shm;
  Store store;
  // Holds the memory for the new binary of an upgrade; -1: none.
  ngx_fd_t memory_fd;
  // Rings in all workers at once, see rounds.h; -1: none.
  ngx_fd_t bell_fd;
  uint32_t rung;  // the round that this worker has told of
  const ngx_cycle_t* cycle;
  // Of the state, see state.h: -1 where it is not locked, and so not written.
  ngx_fd_t lock_fd;
  bool saved;          // once, and then
  uint64_t saved_sum;  // as this
  bool save_failed;    // the last time
};

// The smallest size that holds such rings.
size_t MinimumZoneSize(const Rings& rings);

// Declares the zone to nginx; `zone` must outlive the configuration. False
// after an error was logged.
bool DeclareZone(ngx_conf_t* cf, Zone* zone);

// In a worker: drops what only the master keeps.
void ReleaseMasterResources(Zone* zone);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_ZONE_H_
