// Makes the zone, or finds it again.

#include "ngx_cxx.h"

#include "zone.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "bridge.h"
#include "state.h"

namespace upstream_502 {
namespace {

// nginx's zones are anonymous memory, which a new binary (USR2) does not
// inherit. So the store lies in a file without a name, mapped over the zone's
// pages; the new master finds it among the descriptors it was born with.
constexpr absl::string_view kMemoryPrefix = "nginx_upstream_502:";

struct Pages {
  u_char* start;
  size_t size;
};

// The zone behind nginx's own slab header, which stays as it is.
Pages StorePages(const ngx_shm_zone_t* shm) {
  auto* slab = reinterpret_cast<ngx_slab_pool_t*>(shm->shm.addr);
  u_char* start = slab->start;
  return {start, static_cast<size_t>(shm->shm.addr + shm->shm.size - start) /
                     ngx_pagesize * ngx_pagesize};
}

// What lies in `shm`, if it is what `zone` wants.
absl::optional<Store> AttachTo(const ngx_shm_zone_t& shm, const Zone& zone) {
  const Pages pages = StorePages(&shm);
  return Store::Attach(pages.start, pages.size, zone.rings);
}

std::string MemoryName(const Zone& zone) {
  return absl::StrCat(kMemoryPrefix, View(zone.name).substr(0, 200));
}

bool MapOver(const Pages& pages, ngx_fd_t fd) {
  return mmap(pages.start, pages.size, PROT_READ | PROT_WRITE,
              MAP_SHARED | MAP_FIXED, fd, 0) == pages.start;
}

// The memory of the binary this one replaces: -1 where there is none.
ngx_fd_t FindInherited(const Zone& zone) {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) {
    return -1;
  }
  const std::string ours = absl::StrCat("/memfd:", kMemoryPrefix);
  const std::string wanted = absl::StrCat("/memfd:", MemoryName(zone));
  ngx_fd_t found = -1;
  while (const dirent* entry = readdir(dir)) {
    char target[512];
    const ssize_t length =
        readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));
    if (length <= 0) {
      continue;
    }
    const absl::string_view link(target, static_cast<size_t>(length));
    if (link.substr(0, ours.size()) != ours) {
      continue;
    }
    const ngx_fd_t fd = std::atoi(entry->d_name);
    if (found == -1 &&
        (link == wanted || link == absl::StrCat(wanted, " (deleted)"))) {
      found = fd;
    } else {
      close(fd);  // of a zone that this configuration does not have
    }
  }
  closedir(dir);
  return found;
}

bool AdoptInherited(Zone* zone, const Pages& pages, ngx_log_t* log) {
  const ngx_fd_t fd = FindInherited(*zone);
  if (fd == -1) {
    return false;
  }
  struct stat info;
  if (fstat(fd, &info) == 0 &&
      static_cast<size_t>(info.st_size) == pages.size && MapOver(pages, fd)) {
    const auto store = Store::Attach(pages.start, pages.size, zone->rings);
    if (store) {
      zone->store = *store;
      zone->memory_fd = fd;
      return true;
    }
  }
  ngx_log_error(NGX_LOG_NOTICE, log, 0,
                "upstream_502_zone \"%V\" has another layout than the running "
                "binary's, statistics start afresh",
                &zone->name);
  close(fd);
  return false;
}

void CreateStore(Zone* zone, const Pages& pages, ngx_log_t* log) {
  // No MFD_CLOEXEC: surviving exec() is what it is for.
  const ngx_fd_t fd = memfd_create(MemoryName(*zone).c_str(), 0);
  if (fd != -1) {
    if (ftruncate(fd, static_cast<off_t>(pages.size)) == 0 &&
        MapOver(pages, fd)) {
      zone->memory_fd = fd;
    } else {
      close(fd);
    }
  }
  if (zone->memory_fd == -1) {
    ngx_log_error(NGX_LOG_NOTICE, log, ngx_errno,
                  "upstream_502_zone \"%V\" will not survive a binary upgrade",
                  &zone->name);
  }
  zone->store = Store::Create(pages.start, pages.size, zone->rings, NowMs());
}

// Once, when the zone is made; `nginx -t` says it to whoever asked.
void Announce(const Zone& zone, ngx_log_t* log) {
  const Capacity& capacity = zone.store.arena().capacity;
  const RowBytes bytes = zone.store.arena().BytesPerRow();
  const std::string text = absl::StrCat(
      "upstream_502_zone \"", View(zone.name), "\" holds ", capacity.upstreams,
      " upstreams, ", capacity.peers, " peers, ", capacity.events,
      " events and ", capacity.incidents, " incidents: ", bytes.upstream,
      " bytes per upstream, ", bytes.peer, " bytes per peer, ", bytes.event,
      " bytes per event, ", bytes.incident, " bytes per incident, ",
      bytes.fixed, " bytes besides");
  if (ngx_test_config && !ngx_quiet_mode) {
    ngx_log_stderr(0, "[notice] %*s", text.size(), text.data());
  } else {
    ngx_log_error(NGX_LOG_NOTICE, log, 0, "%*s", text.size(), text.data());
  }
}

ngx_int_t InitZone(ngx_shm_zone_t* shm, void* data) {
  auto* zone = static_cast<Zone*>(shm->data);
  auto* old = static_cast<Zone*>(data);
  ngx_log_t* log = shm->shm.log;
  return Guarded(log, ngx_int_t{NGX_ERROR}, [&]() -> ngx_int_t {
    const Pages pages = StorePages(shm);
    if (pages.size < Arena::MinimumSize(zone->rings)) {
      ngx_log_error(NGX_LOG_EMERG, log, 0,
                    "upstream_502_zone \"%V\" is too small", &zone->name);
      return NGX_ERROR;
    }
    if (ngx_test_config && !CheckState(*zone, log)) {
      return NGX_ERROR;
    }
    if (old != nullptr) {
      const auto store = AttachTo(*shm, *zone);
      if (!store) {
        // It was whole when the zone was declared, so somebody has written
        // over it since. Workers are at home there: the next reload takes
        // other memory.
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "upstream_502_zone \"%V\" was overwritten, reload again",
                      &zone->name);
        return NGX_ERROR;
      }
      zone->store = *store;
      zone->memory_fd = old->memory_fd == -1 ? -1 : dup(old->memory_fd);
      return NGX_OK;
    }
    if (zone->restarted) {
      ngx_log_error(NGX_LOG_NOTICE, log, 0,
                    "upstream_502_zone \"%V\" has changed, "
                    "statistics start afresh",
                    &zone->name);
    }
    if (zone->first && ngx_inherited && AdoptInherited(zone, pages, log)) {
      return NGX_OK;
    }
    CreateStore(zone, pages, log);
    Announce(*zone, log);
    return NGX_OK;
  });
}

// The running configuration's zone: nullptr where there is none.
const Zone* RunningZone(ngx_conf_t* cf) {
  const ngx_cycle_t* old = cf->cycle->old_cycle;
  if (old == nullptr || ngx_is_init_cycle(old)) {
    return nullptr;
  }
  const ngx_list_part_t* part = &old->shared_memory.part;
  for (; part != nullptr; part = part->next) {
    const auto* zones = static_cast<const ngx_shm_zone_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      if (zones[i].tag == &ngx_http_upstream_502_module) {
        return static_cast<const Zone*>(zones[i].data);
      }
    }
  }
  return nullptr;
}

bool GoesOn(const Zone& running, const Zone& zone, size_t size) {
  return View(running.name) == View(zone.name) &&
         running.shm->shm.size == size && AttachTo(*running.shm, zone);
}

void CloseMemory(Zone* zone) {
  if (zone->memory_fd != -1) {
    close(zone->memory_fd);
    zone->memory_fd = -1;
  }
  if (zone->lock_fd != -1) {
    close(zone->lock_fd);
    zone->lock_fd = -1;
  }
}

void CloseZone(void* data) {
  auto* zone = static_cast<Zone*>(data);
  CloseMemory(zone);
  if (zone->bell_fd != -1) {
    close(zone->bell_fd);
    zone->bell_fd = -1;
  }
}

}  // namespace

size_t MinimumZoneSize(const Rings& rings) {
  const size_t store = Arena::MinimumSize(rings);
  // nginx's slab header: its fixed part and an entry for every page.
  const size_t pages = store / ngx_pagesize + 16;
  const size_t size =
      store + 4 * ngx_pagesize + pages * 2 * sizeof(ngx_slab_page_t);
  return ngx_align(size, size_t{16384});
}

// nginx hands on a zone whose name and size stay the same, and gives new memory
// to any other. The layout depends on more than those, and what lies there may
// be damaged: whether statistics go on is not nginx's to say. So the name that
// nginx knows ends in a number, which stays where they go on and rises where
// they start afresh. Never is a store laid out anew in memory that an older
// configuration may yet use: its workers live on, and if nginx rejects this
// configuration, all of it does. nginx releases whichever is not needed.
bool DeclareZone(ngx_conf_t* cf, Zone* zone) {
  const size_t size = ngx_align(zone->size, ngx_pagesize);
  const Zone* running = RunningZone(cf);
  const bool goes_on = running != nullptr && GoesOn(*running, *zone, size);
  zone->restarted = running != nullptr && !goes_on;
  zone->serial = (running != nullptr ? running->serial : 0) + !goes_on;
  ngx_str_t name =
      PoolCopy(cf->pool, absl::StrCat(View(zone->name), "#", zone->serial));
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(cf->pool, 0);
  if (name.data == nullptr || cleanup == nullptr) {
    return false;
  }
  zone->shm =
      ngx_shared_memory_add(cf, &name, size, &ngx_http_upstream_502_module);
  if (zone->shm == nullptr) {
    return false;
  }
  zone->memory_fd = -1;
  zone->cycle = cf->cycle;
  zone->lock_fd = -1;
  if (running != nullptr && running->lock_fd != -1 &&
      View(running->state) == View(zone->state)) {
    zone->lock_fd = dup(running->lock_fd);
  }
  // Workers of the running configuration hear it, too.
  zone->bell_fd = running != nullptr && running->bell_fd != -1
                      ? fcntl(running->bell_fd, F_DUPFD_CLOEXEC, 0)
                      : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  zone->first = ngx_is_init_cycle(cf->cycle->old_cycle);
  cleanup->handler = CloseZone;
  cleanup->data = zone;
  zone->shm->init = InitZone;
  zone->shm->data = zone;
  return true;
}

void ReleaseMasterResources(Zone* zone) {
  // The process that tends caches writes the state, and may outlive the master.
  const ngx_fd_t lock = zone->lock_fd;
  if (ngx_process == NGX_PROCESS_HELPER) {
    zone->lock_fd = -1;
  }
  CloseMemory(zone);
  if (ngx_process == NGX_PROCESS_HELPER) {
    zone->lock_fd = lock;
  }
}

}  // namespace upstream_502
